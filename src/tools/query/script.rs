//! Statements as they come in: a script, or a person at a terminal.

use std::io::{BufRead, Write};

use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::tools::error::{Result, ToolError};

use super::{Format, Session, Sessions, cannot_write, explain, runtime};

/// Tables, and how rows are written.
#[derive(Debug, Clone)]
pub struct ScriptOptions {
    /// Names for files, folders, globs and URLs.
    pub tables: Vec<(String, String)>,
    /// How the rows of each statement are written.
    pub format: Format,
    /// Where the statements run.
    pub sessions: Sessions,
}

/// Runs the statements of `input`, each as soon as its `;` has been read, and writes the rows of all
/// of them to `out`. They see the tables, views and settings of those before them.
///
/// `failed` is told what goes wrong with a statement, and may say that the next ones are run all the
/// same by returning it no further. With `prompt` a line is asked for by a prompt, and `exit`,
/// `quit` and `\q` end the input.
///
/// Blocks, and must not be called from asynchronous code.
///
/// # Errors
/// What `failed` returns, and when `input` cannot be read or `out` not be written.
pub fn script(
    options: &ScriptOptions,
    mut input: impl BufRead,
    mut out: impl Write + Send,
    prompt: bool,
    failed: &mut dyn FnMut(ToolError) -> Result<()>,
) -> Result<()> {
    if options.format == Format::Parquet {
        return Err(ToolError::invalid(
            "a script's rows are not one Parquet file; use COPY (SELECT ...) TO 'file.parquet'",
        ));
    }
    let runtime = runtime()?;
    let mut session = runtime.block_on(Session::open(
        &options.sessions,
        &options.tables,
        options.format,
    ))?;
    let mut text = String::new();
    loop {
        if prompt {
            let waiting = !text.trim().is_empty();
            let sign = if waiting { "      -> " } else { "tolerant> " };
            out.write_all(sign.as_bytes()).map_err(cannot_write)?;
        }
        out.flush().map_err(cannot_write)?;
        let before = text.len();
        let ended = input.read_line(&mut text).map_err(|source| ToolError::Io {
            what: "cannot read the statements".to_owned(),
            source,
        })? == 0;
        let word = text[before..].trim().trim_end_matches(';');
        let over = ended || prompt && matches!(word, "exit" | "quit" | "\\q");
        if over && !ended {
            text.truncate(before);
        }
        if !over && !is_complete(&text) {
            continue;
        }
        let statements = std::mem::take(&mut text);
        let outcome = parse(&statements).and_then(|statements| {
            statements.into_iter().try_for_each(|statement| {
                let run = session.write_rows(statement, options.format, &mut out);
                runtime.block_on(run).map(drop)
            })
        });
        match outcome {
            // Whoever reads the rows has gone.
            Err(error @ ToolError::Io { .. }) => return Err(error),
            Err(error) => failed(error)?,
            Ok(()) => {}
        }
        if over {
            return out.flush().map_err(cannot_write);
        }
    }
}

fn parse(text: &str) -> Result<Vec<Statement>> {
    let statements = DFParser::parse_sql(text).map_err(explain)?;
    Ok(statements.into_iter().collect())
}

/// Whether what has been read ends with a statement's `;`, rather than within text or a comment.
fn is_complete(text: &str) -> bool {
    if !text.trim_end().ends_with(';') {
        return false;
    }
    let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize();
    let mut tokens = match &tokens {
        Ok(tokens) => tokens.iter().rev(),
        // What has no end yet; anything else is for the parser to explain.
        Err(error) => {
            let message = &error.message;
            return !message.starts_with("Unterminated") && !message.contains("EOF");
        }
    };
    let last = tokens.find(|token| !matches!(token, Token::Whitespace(_)));
    last == Some(&Token::SemiColon)
}

#[cfg(test)]
mod tests {
    use super::is_complete;

    #[test]
    fn statements_end_at_their_semicolons() {
        for complete in ["SELECT 1;", "SELECT ';';\n", "SELECT 1; SELECT 2; ", ";"] {
            assert!(is_complete(complete), "{complete}");
        }
        for open in [
            "",
            "SELECT 1",
            "SELECT ';",
            "SELECT 'a;\n",
            "/* ;",
            "SELECT 1 -- why;",
        ] {
            assert!(!is_complete(open), "{open}");
        }
    }
}
