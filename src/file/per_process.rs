//! Values of which each process has its own, whatever it was forked from: a forked process has the memory of its
//! parent but none of its threads, so that pools never do what they are given, and a lock that a thread of the
//! parent held at that moment is never released.

use std::process;
use std::sync::OnceLock;

/// A value for each process, made by the first who asks for it there; for statics.
#[derive(Debug)]
pub struct PerProcess<T> {
    first: OnceLock<Own<T>>,
}

/// What a process has, and after it what processes have that were forked from it. A parent's pools are never
/// dropped: that would wait for threads that are not here.
#[derive(Debug)]
struct Own<T> {
    process: u32,
    value: T,
    next: OnceLock<Box<Own<T>>>,
}

impl<T: Default> PerProcess<T> {
    /// Before anyone has asked.
    #[expect(
        clippy::new_without_default,
        reason = "for statics, which default cannot make"
    )]
    pub const fn new() -> Self {
        Self {
            first: OnceLock::new(),
        }
    }

    /// This process's value. Its default must be quick to make: a process that is forked meanwhile waits for ever.
    pub fn get(&self) -> &T {
        let own = Own::default;
        let mut last = self.first.get_or_init(own);
        while let Some(next) = last.next.get() {
            last = next;
        }
        match last.process == process::id() {
            true => &last.value,
            false => &last.next.get_or_init(|| Box::new(own())).value,
        }
    }
}

impl<T: Default> Default for Own<T> {
    fn default() -> Self {
        Self {
            process: process::id(),
            value: T::default(),
            next: OnceLock::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_keeps_its_value_and_leaves_that_of_its_parent() {
        let values = PerProcess::<OnceLock<u32>>::new();
        let of_parent = Own::<OnceLock<u32>> {
            process: process::id() ^ 1,
            ..Own::default()
        };
        of_parent.value.set(7).unwrap();
        values.first.set(of_parent).unwrap();
        assert_eq!(values.get().get(), None);
        values.get().set(8).unwrap();
        assert_eq!(values.get().get(), Some(&8));
        assert_eq!(values.first.get().unwrap().value.get(), Some(&7));
    }
}
