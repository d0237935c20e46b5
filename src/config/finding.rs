//! Finding the files of a filter or action: read once however many jails use them, and where there
//! are none, what else may have been meant.

use std::path::Path;
use std::rc::Rc;

use super::Config;
use super::complaint::{Complaint, Severity};
use super::definition::Definition;
use super::files::FileSet;
use super::layers::Merged;
use super::options::{ACTION, FILTER, Known, nearest};
use super::spec::Spec;
use super::trial::definition;
use super::unknown::unknown_definition_options;
use super::values::shown;

impl Config<'_> {
    /// A filter's files with its arguments, told whether it reads a journal.
    pub(super) fn open_filter(&self, spec: &Spec, backend: &str) -> Result<Definition, Complaint> {
        let merged = self.definition_files("filter", &spec.name)?;
        Ok(definition(merged, spec, backend))
    }

    /// The merged files of a filter or action.
    pub(super) fn definition_files(&self, kind: &str, name: &str) -> Result<Rc<Merged>, Complaint> {
        let base = if name.starts_with("./") || name.starts_with('/') {
            name.to_owned()
        } else {
            format!("{kind}.d/{name}")
        };
        if let Some(known) = self.definitions.borrow().get(&base) {
            return known.clone();
        }
        let read = self.read_definition_files(kind, name, &base);
        self.definitions.borrow_mut().insert(base, read.clone());
        read
    }

    fn read_definition_files(
        &self,
        kind: &str,
        name: &str,
        base: &str,
    ) -> Result<Rc<Merged>, Complaint> {
        let set = self.library.set(base);
        if set.files.is_empty() && set.complaints.is_empty() {
            return Err(self.missing(kind, name));
        }
        let table = if kind == "filter" { FILTER } else { ACTION };
        self.merged_definition(set, table).map(Rc::new)
    }

    /// A filter that is just this file and what it includes.
    pub(super) fn filter_file(&self, path: &Path) -> Result<Merged, Complaint> {
        self.merged_definition(self.library.file(path), FILTER)
    }

    fn merged_definition(&self, set: FileSet, table: &[Known]) -> Result<Merged, Complaint> {
        let fault = set.files.iter().find_map(|file| file.complaints().next());
        if let Some(complaint) = fault {
            return Err(complaint);
        }
        let (errors, mild): (Vec<_>, Vec<_>) = set
            .complaints
            .into_iter()
            .partition(|c| c.severity == Severity::Error);
        self.later.borrow_mut().extend(mild);
        if let Some(complaint) = errors.into_iter().next() {
            return Err(complaint);
        }
        let merged = Merged::new(&[], set.files, Vec::new());
        let unknown = unknown_definition_options(&merged, table);
        self.later.borrow_mut().extend(unknown);
        Ok(merged)
    }

    fn missing(&self, kind: &str, name: &str) -> Complaint {
        let folder = format!("{kind}.d");
        let names = self.library.names(&folder, ".conf");
        let near = nearest(name, names.iter().map(String::as_str));
        let (place, advice) = if name.contains('/') {
            (
                String::new(),
                format!("check the path, or name a file of {folder}"),
            )
        } else {
            let roots = self.library.roots().map(|root| root.join(&folder));
            let roots: Vec<String> = roots.map(|root| root.display().to_string()).collect();
            let advice = match near {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("write {folder}/{}.conf or name another {kind}", shown(name)),
            };
            (format!(" in {}", roots.join(" or ")), advice)
        };
        Complaint::error(
            format!(
                "expected the {kind} '{0}', found no {0}.conf or .local{place}",
                shown(name)
            ),
            advice,
        )
    }
}
