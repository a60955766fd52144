//! The command line of a benchmark, without what cargo adds to it.

pub struct Arguments(pub Vec<String>);

impl Arguments {
    pub fn of_process() -> Self {
        let arguments = std::env::args().skip(1);
        Self(arguments.filter(|argument| argument != "--bench").collect())
    }

    /// What follows `name`.
    pub fn option(&self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|argument| argument == name)?;
        self.0.get(at + 1).cloned()
    }
}
