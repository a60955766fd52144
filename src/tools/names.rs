//! Names for people: those that were meant, and the first of many.

/// "; did you mean a, b or c?" with the names closest to `wanted`, or nothing if none is close.
pub fn suggestion<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    let lower = wanted.to_lowercase();
    let near = |name: &str| {
        let name = name.to_lowercase();
        let distance = distance(&lower, &name);
        (distance <= 1 + lower.chars().count() / 4 || (lower.len() > 2 && name.contains(&lower)))
            .then_some(distance)
    };
    let mut found: Vec<(usize, &str)> =
        names.filter_map(|name| Some((near(name)?, name))).collect();
    found.sort();
    let found: Vec<String> = found
        .iter()
        .take(3)
        .map(|(_, name)| format!("{name:?}"))
        .collect();
    match found.split_last() {
        None => "; `tolerant inspect` lists the columns of a Parquet file".to_string(),
        Some((only, [])) => format!("; did you mean {only}?"),
        Some((last, others)) => format!("; did you mean {} or {last}?", others.join(", ")),
    }
}

/// The first of many names: "a, b and 3 more".
pub fn some(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown = names.iter().take(SHOWN).map(String::as_str);
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Levenshtein's: insertions, deletions and replacements of characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}
