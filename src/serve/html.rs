//! What is served, as plain pages for people. Everything that comes from a file or its name is
//! escaped, and the pages run no script.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use headers::LastModified;

use crate::tools::inspect::{InspectReport, InspectedColumn};

use super::listing::{File, Listing};

/// Columns of a page; JSON has all.
const SHOWN_COLUMNS: usize = 2000;

const STYLE: &str = "body{font:16px system-ui,sans-serif;margin:2em;max-width:80em}\
table{border-collapse:collapse}td,th{padding:.25em .75em;text-align:left;border-bottom:1px solid #ddd}\
form{margin:0}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.e{color:#a00}";

/// A folder's page.
pub fn folder(listing: &Listing) -> String {
    let mut rows = String::new();
    if !listing.path.is_empty() {
        rows.push_str("<tr><td colspan=7><a href=\"../\">../</a></td></tr>\n");
    }
    for folder in &listing.folders {
        let (url, name) = (escape(&folder.url), escape(&folder.name));
        push(
            &mut rows,
            format_args!("<tr><td colspan=7><a href=\"{url}\">{name}/</a></td></tr>\n"),
        );
    }
    for file in &listing.files {
        let (url, name) = (escape(&file.url), escape(&file.name));
        push(
            &mut rows,
            format_args!("<tr><td><a href=\"{url}\">{name}</a></td>"),
        );
        match &file.error {
            Some(why) => {
                push(
                    &mut rows,
                    format_args!("<td colspan=6 class=e>{}</td></tr>\n", escape(why)),
                );
            }
            None => {
                let cells = [
                    number(file.rows),
                    number(file.columns.map(|columns| columns as u64)),
                    number(file.bytes),
                    number(file.stored_bytes),
                ];
                let details = view(&url, "html", file.layout.unwrap_or("columns"));
                push(
                    &mut rows,
                    format_args!(
                        "<td>{details}</td>{}<td>{}</td></tr>\n",
                        cells.concat(),
                        date(file)
                    ),
                );
            }
        }
    }
    let title = format!("/{}", listing.path);
    let head = "<tr><th>Name</th><th>Layout</th><th class=n>Rows</th><th class=n>Columns</th>\
<th class=n>Bytes served</th><th class=n>Bytes stored</th><th>Modified</th></tr>";
    let json = format!(
        "<p>Each file is ordinary Parquet to whoever reads it by its URL.</p>{}",
        view("", "json", "JSON")
    );
    page(&title, &format!("<table>{head}\n{rows}</table>{json}"))
}

/// A file's page.
pub fn file(file: &File, report: &InspectReport) -> String {
    let mut rows = String::new();
    for column in report.columns.iter().take(SHOWN_COLUMNS) {
        push_column(&mut rows, column);
    }
    let left_out = report.columns.len().saturating_sub(SHOWN_COLUMNS);
    let more = match left_out {
        0 => String::new(),
        n => format!("<p>and {n} more columns, which the JSON has</p>"),
    };
    let order = match report.row_order {
        Some(_) => "; rows may stand in another order than they came in",
        None => "",
    };
    let download = escape(&file.url);
    let summary = format!(
        "<p>{}, {} rows in {} row groups{order}. {} bytes served, {} bytes stored, {}.</p>\
<p><a href=\"{download}\">Parquet</a> · <a href=\"./\">folder</a></p>{}",
        report.layout,
        report.rows,
        report.row_groups,
        file.bytes.unwrap_or(0),
        report.file_bytes,
        date(file),
        view(&download, "json", "JSON"),
    );
    let head = "<tr><th>Column</th><th>Type</th><th>Error bound</th><th class=n>Absolute bound</th>\
<th class=n>Least</th><th class=n>Greatest</th><th class=n>Largest error</th><th class=n>Nulls</th>\
<th class=n>Bytes stored</th></tr>";
    page(
        &format!("/{}", file.path),
        &format!("{summary}<table>{head}\n{rows}</table>{more}"),
    )
}

fn push_column(rows: &mut String, column: &InspectedColumn) {
    let float = |value: Option<f64>| {
        let text = value.map_or_else(String::new, |value| format!("{value:?}"));
        format!("<td class=n>{text}</td>")
    };
    let name = escape(&column.name);
    let kind = escape(&column.data_type);
    let bound = column.bound.as_deref().map_or("exact".into(), escape);
    push(
        rows,
        format_args!(
            "<tr><td>{name}</td><td>{kind}</td><td>{bound}</td>{}{}{}{}{}{}</tr>\n",
            float(column.abs_bound),
            float(column.range.map(|range| range[0])),
            float(column.range.map(|range| range[1])),
            float(column.max_error),
            number(column.nulls),
            number(Some(column.packed_bytes)),
        ),
    );
}

/// A way to another view of a URL. No link, since tools that list folders take every link for a file.
fn view(url: &str, view: &str, text: &str) -> String {
    format!("<form action=\"{url}\"><button name=view value={view}>{text}</button></form>")
}

fn page(title: &str, content: &str) -> String {
    let title = escape(title);
    format!(
        "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8><title>{title}</title>\
<style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n{content}\n</body></html>\n"
    )
}

fn number(number: Option<u64>) -> String {
    let text = number.map_or_else(String::new, |number| number.to_string());
    format!("<td class=n>{text}</td>")
}

fn date(file: &File) -> String {
    let date = file.modified.map(|seconds| {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut values = Vec::with_capacity(1);
        headers::Header::encode(&LastModified::from(time), &mut values);
        let value = values.pop();
        value
            .and_then(|value| value.to_str().ok().map(str::to_owned))
            .unwrap_or_default()
    });
    date.unwrap_or_default()
}

/// Text as HTML, also within an attribute's quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

fn push(to: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = to.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_name_is_markup() {
        let name = "<script>alert('1')</script>&\"x\".parquet";
        let listing = Listing {
            path: name.to_owned(),
            folders: Vec::new(),
            files: vec![File {
                name: name.to_owned(),
                path: name.to_owned(),
                url: super::super::listing::url(name),
                error: Some("<b>".to_owned()),
                layout: None,
                rows: None,
                row_groups: None,
                columns: None,
                bytes: None,
                stored_bytes: None,
                modified: None,
            }],
        };
        let page = folder(&listing);
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        assert!(
            page.contains("&lt;script&gt;") && page.contains("&quot;x&quot;"),
            "{page}"
        );
    }
}
