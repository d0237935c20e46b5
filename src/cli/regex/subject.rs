//! What REGEX means: a jail, a filter, a filter's file, or a regular expression as it stands; and
//! what is told of it.

use std::path::{Path, PathBuf};

use super::python;
use crate::config::{Config, Disk, Inputs, Spec, Tree as _, Trial};
use crate::model::Origin;

/// How many characters of a text are shown in a `Use` line.
const SHOWN: usize = 53;

/// What was found.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) trial: Trial,
    /// The lines that tell of it.
    pub(super) told: Vec<String>,
    /// Arguments, as given.
    pub(super) spec: Option<Spec>,
}

/// Why there is nothing to try; the lines that say so, behind those told before it.
#[derive(Debug)]
pub(super) struct NoSubject {
    pub(super) told: Vec<String>,
    pub(super) why: Vec<String>,
}

/// Where a filter is.
enum Place {
    Jail,
    /// In the configuration, or in another `filter.d` by its absolute path without `.conf`.
    Filter {
        name: String,
        base: String,
        path: Option<PathBuf>,
    },
    /// A file anywhere.
    File(PathBuf),
}

/// Finds out what `text` is. `backend` tells a filter what logs it reads.
pub(super) fn find(text: &str, inputs: &Inputs, backend: &str) -> Result<Subject, NoSubject> {
    let nothing = |why: Vec<String>| NoSubject {
        told: Vec::new(),
        why,
    };
    if !is_name(text) {
        return Ok(plain(text));
    }
    let spec = Spec::parse(text).map_err(|error| {
        nothing(vec![
            format!("ERROR: Wrong filter name or options: {error}"),
            format!("       while parsing: {text}"),
        ])
    })?;
    let inputs = whole(inputs);
    let config = match Config::read(&Disk, &inputs) {
        Ok(config) => config,
        // Without a configuration there are still files.
        Err(_) if Disk.exists(Path::new(&spec.name)) || !spec.options.is_empty() => {
            return Err(nothing(vec![format!(
                "ERROR: failed to load filter {text}: there is no configuration in {}",
                inputs.dir.display()
            )]));
        }
        Err(_) => return Ok(plain(text)),
    };
    let Some(place) = place(&spec, &config, &inputs) else {
        return Ok(plain(text));
    };
    let mut told = vec![match &place {
        Place::Jail => format!("Use {:>11} jail : {}", "", spec.name),
        Place::Filter { name, base, .. } => {
            format!("Use   failregex filter file : {name}, basedir: {base}")
        }
        Place::File(_) => format!("Use   failregex file : {}", spec.name),
    }];
    if !spec.options.is_empty() {
        let what = match place {
            Place::Jail => "Use jail/flt options",
            Place::Filter { .. } | Place::File(_) => "Use   filter options",
        };
        told.push(format!("{what} : {}", python::dict(&spec.options)));
    }
    let found = match &place {
        Place::Jail => config.try_jail(&spec, backend),
        Place::Filter { name, path, .. } => {
            let name = path
                .as_ref()
                .map_or_else(|| name.clone(), |path| path.to_string_lossy().into_owned());
            let spec = Spec {
                name,
                options: spec.options.clone(),
            };
            config.try_filter(&spec, backend).map(Some)
        }
        Place::File(path) => config.try_file(path, &spec, backend).map(Some),
    };
    match found {
        Ok(Some(trial)) => Ok(Subject {
            trial,
            told,
            spec: Some(spec),
        }),
        Ok(None) => Err(NoSubject {
            told,
            why: vec![format!("ERROR: the jail '{}' has no filter", spec.name)],
        }),
        Err(complaint) => Err(NoSubject {
            told,
            why: vec![
                format!("Wrong config file: {complaint}"),
                format!("ERROR: failed to load filter {text}"),
            ],
        }),
    }
}

/// A regular expression as it stands.
fn plain(text: &str) -> Subject {
    let mut trial = Trial::default();
    trial.settings.maxlines = 1;
    trial.settings.failregex = vec![(text.to_owned(), Origin::CommandLine("REGEX".into()))];
    Subject {
        trial,
        told: vec![line("failregex", text)],
        spec: None,
    }
}

/// `Use failregex line : …`.
pub(super) fn line(which: &str, text: &str) -> String {
    format!("Use {which:>11} line : {}", shortened(text))
}

/// A text cut to what a `Use` line shows of it.
pub(super) fn shortened(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    let begin: String = text.chars().take(SHOWN - 3).collect();
    begin + "..."
}

/// Whether a text may be a name: a word or a path, perhaps with options in brackets.
fn is_name(text: &str) -> bool {
    let (name, rest) = match text.find('[') {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '/' | '-' | '.');
    !name.is_empty() && name.chars().all(word) && (rest.is_empty() || rest.ends_with(']'))
}

/// `-c DIR/filter.d` means DIR.
fn whole(inputs: &Inputs) -> Inputs {
    let mut inputs = inputs.clone();
    if inputs.dir.ends_with("filter.d") {
        inputs.dir.pop();
    }
    inputs
}

fn place(spec: &Spec, config: &Config<'_>, inputs: &Inputs) -> Option<Place> {
    let name = spec.name.as_str();
    let ending = name.ends_with(".conf") || name.ends_with(".local");
    if !name.contains('/') {
        if !ending && config.jail_names().contains(&name) {
            return Some(Place::Jail);
        }
        let stem = if ending { stem(name) } else { name };
        return config.has_filter(stem).then(|| Place::Filter {
            name: stem.to_owned(),
            base: inputs.dir.display().to_string(),
            path: None,
        });
    }
    let endings: &[&str] = if ending {
        &[""]
    } else {
        &["", ".conf", ".local"]
    };
    let there = endings.iter().find_map(|ending| {
        let path = PathBuf::from(format!("{name}{ending}"));
        path.is_file().then_some(path)
    });
    let Some(path) = there else {
        // filter.d/NAME of the configuration, wherever we were started.
        let inside = stem(name.strip_prefix("filter.d/")?);
        return config.has_filter(inside).then(|| Place::Filter {
            name: inside.to_owned(),
            base: inputs.dir.display().to_string(),
            path: None,
        });
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let absolute = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
    if !folder.ends_with("filter.d") {
        return Some(Place::File(absolute));
    }
    let name = stem(path.file_name()?.to_str()?).to_owned();
    Some(Place::Filter {
        base: folder.parent()?.display().to_string(),
        path: Some(absolute.with_file_name(&name)),
        name,
    })
}

fn stem(name: &str) -> &str {
    let known = name.strip_suffix(".conf");
    known
        .or_else(|| name.strip_suffix(".local"))
        .unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_regular_expressions() {
        for name in [
            "sshd",
            "sshd[mode=aggressive]",
            "/a/b.conf",
            "filter.d/x",
            "a[b]c]",
        ] {
            assert!(is_name(name), "{name}");
        }
        for regex in ["^a <HOST>", "<HOST>", "a b", "", "x[0-9]+", "fail: <ADDR>$"] {
            assert!(!is_name(regex), "{regex}");
        }
    }

    #[test]
    fn long_texts_are_shortened_as_fail2ban_does() {
        assert_eq!(shortened(&"x".repeat(53)).len(), 53);
        assert_eq!(shortened(&"x".repeat(54)), format!("{}...", "x".repeat(50)));
    }
}
