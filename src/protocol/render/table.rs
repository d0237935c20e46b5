//! `stats`: all jails as a table.

use super::Charset;
use crate::protocol::value::Value;

/// The characters a table is drawn with.
struct Lines {
    /// Between columns, and inside a column that has two numbers.
    column: char,
    number: char,
    /// Across the table, and below the headings of numbers.
    across: char,
    heading: char,
    /// Where they meet.
    beside: char,
    between: char,
    cross: char,
    foot: char,
}

const UTF8: Lines = Lines {
    column: '║',
    number: '│',
    across: '═',
    heading: '─',
    beside: '╟',
    between: '╫',
    cross: '╬',
    foot: '╩',
};

const ASCII: Lines = Lines {
    column: '|',
    number: '|',
    across: '-',
    heading: '-',
    beside: '|',
    between: 'x',
    cross: 'x',
    foot: '-',
};

/// Jail, backend, failures now and in all, bans now and in all: no column is narrower.
const WIDTHS: [usize; COLUMNS] = [8, 8, 3, 3, 3, 3];
const COLUMNS: usize = 6;

type Row = [String; COLUMNS];

/// The table; `None` when the answer is no dictionary of `[backend, (now, all), (now, all)]`.
pub(super) fn statistics(answer: &Value, charset: Charset) -> Option<String> {
    let Value::Dict(jails) = answer else {
        return None;
    };
    if jails.is_empty() {
        return Some("No jails found.".to_owned());
    }
    let rows: Vec<Row> = jails
        .iter()
        .map(|(jail, numbers)| row(jail, numbers))
        .collect::<Option<_>>()?;
    let mut widths = WIDTHS;
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let lines = match charset {
        Charset::Utf8 => UTF8,
        Charset::Ascii => ASCII,
    };
    Some(draw(&rows, &widths, &lines))
}

fn row(jail: &Value, numbers: &Value) -> Option<Row> {
    let [backend, failures, bans] = numbers.items()? else {
        return None;
    };
    let ([failed, all_failed], [banned, all_banned]) = (failures.items()?, bans.items()?) else {
        return None;
    };
    let cells = [jail, backend, failed, all_failed, banned, all_banned];
    Some(cells.map(ToString::to_string))
}

fn draw(rows: &[Row], widths: &[usize; COLUMNS], lines: &Lines) -> String {
    let [jail, backend, failed, all_failed, banned, all_banned] = *widths;
    let Lines { column, number, .. } = lines;
    // Two numbers and what is between them.
    let (filter, actions) = (failed + 3 + all_failed, banned + 3 + all_banned);
    let line = |cells: [&str; COLUMNS]| {
        let [a, b, c, d, e, f] = cells;
        format!(
            " {a:jail$} {column} {b:backend$} {column} {c:>failed$} {number} {d:>all_failed$} \
             {column} {e:>banned$} {number} {f:>all_banned$}"
        )
    };
    let rule = |meeting: char| {
        let parts = [jail, backend, filter, actions].map(|width| run(lines.across, width + 2));
        parts.join(&meeting.to_string())
    };
    let heading = [filter, actions].map(|width| run(lines.heading, width + 2));
    let mut out = vec![
        format!(
            " {:jail$} {column} {:backend$} {column} {:filter$} {column} {:actions$}",
            "", "", "Filter", "Actions"
        ),
        format!(
            " {:jail$} {column} {:backend$} {}{}",
            "Jail",
            "Backend",
            lines.beside,
            heading.join(&lines.between.to_string()),
        ),
        line(["", "", "cur", "tot", "cur", "tot"]),
        rule(lines.cross),
    ];
    out.extend(
        rows.iter()
            .map(|row| line(row.each_ref().map(String::as_str))),
    );
    out.push(rule(lines.foot));
    out.join("\n")
}

fn run(c: char, length: usize) -> String {
    std::iter::repeat_n(c, length).collect()
}
