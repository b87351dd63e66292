//! The table in `docs/TESTING.md`: what is there must be what was seen.

use std::fmt;
use std::path::PathBuf;

use kinglet_harness::kafka::Release;

use crate::world::Cell;

const HEAD: &str = "| Apache Kafka | who works with whom | produce | fetch by assignment | groups | create | describe, list | delete |";

/// Who uses whose broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    OurTools,
    TheirClient,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OurTools => "our tools, its broker",
            Self::TheirClient => "its Java client and console tools, `kbroker`",
        })
    }
}

/// One release, one direction.
pub(crate) struct Row {
    pub(crate) release: Release,
    pub(crate) who: Who,
    pub(crate) produce: Cell,
    pub(crate) fetch: Cell,
    pub(crate) groups: Cell,
    pub(crate) create: Cell,
    pub(crate) describe: Cell,
    pub(crate) delete: Cell,
}

impl Row {
    /// As it stands in the document.
    pub(crate) fn line(&self) -> String {
        let cells = self.cells().map(|(_, cell)| cell.as_deref().unwrap_or("FAILED"));
        format!("{}{} |", start_of(self.release, self.who), cells.join(" | "))
    }

    pub(crate) fn failures(&self) -> impl Iterator<Item = String> {
        self.cells().into_iter().filter_map(|(name, cell)| {
            let error = cell.as_ref().err()?;
            Some(format!("{} | {} | {name}: {error}", self.release, self.who))
        })
    }

    fn cells(&self) -> [(&'static str, &Cell); 6] {
        [
            ("produce", &self.produce),
            ("fetch by assignment", &self.fetch),
            ("groups", &self.groups),
            ("create", &self.create),
            ("describe, list", &self.describe),
            ("delete", &self.delete),
        ]
    }
}

/// Compares the rows with the document, or writes them there with `KINGLET_BLESS=1`.
pub(crate) fn check_rows(rows: &[Row]) {
    let text = document();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for row in rows {
        let start = start_of(row.release, row.who);
        let line = lines.iter_mut().find(|line| line.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("docs/TESTING.md has no row that starts {start:?}"));
        if std::env::var_os("KINGLET_BLESS").is_some() {
            *line = row.line();
        }
        assert_eq!(*line, row.line(), "docs/TESTING.md says something else (KINGLET_BLESS=1 rewrites it)");
    }
    let new = lines.join("\n") + "\n";
    if new != text {
        std::fs::write(path(), new).expect("docs/TESTING.md is written");
    }
}

/// The document has exactly the rows that the tests write.
pub(crate) fn check_shape() {
    let text = document();
    let table = text.lines().skip_while(|line| *line != HEAD).skip(2);
    let rows: Vec<&str> = table.take_while(|line| line.starts_with('|')).collect();
    let wanted =
        Release::ALL.iter().flat_map(|release| [Who::OurTools, Who::TheirClient].map(|who| (release, who)));
    let wanted: Vec<String> = wanted.map(|(release, who)| start_of(*release, who)).collect();
    assert_eq!(rows.len(), wanted.len(), "rows of the version matrix: {rows:#?}");
    for (row, start) in rows.iter().zip(&wanted) {
        assert!(row.starts_with(start.as_str()), "{row} does not start {start:?}");
    }
}

fn start_of(release: Release, who: Who) -> String {
    format!("| {release} | {who} | ")
}

fn document() -> String {
    std::fs::read_to_string(path()).expect("docs/TESTING.md")
}

fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/TESTING.md"))
}
