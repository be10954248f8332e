//! What Chart.yaml says: dependencies, versions, people, addresses.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Metadata;
use super::parts::{Part, Parts, pairs};
use super::{Change, Changes, Dependency, Field, Matter, Notice, line_number, told};

/// The fields with one value that are told.
const FIELDS: [&str; 7] = ["apiVersion", "appVersion", "kubeVersion", "type", "deprecated", "home", "icon"];

/// Fields of each Chart.yaml that both versions have.
pub(super) fn fields(old: &Parts<'_>, new: &Parts<'_>) -> Changes<Field> {
    let mut changes = Changes::default();
    for (_, old, new) in pairs(old, new) {
        let (Some(old), Some(new)) = (old, new) else { continue };
        let (Some(before), Some(now)) = (&old.metadata, &new.metadata) else { continue };
        let file = new.path_of("Chart.yaml");
        let field =
            |field: &str, value: String| Field { file: file.clone(), field: field.to_owned(), value: told(&value) };
        for name in FIELDS {
            let (before, now) = (before.field(name), now.field(name));
            let meant = |value: &Option<String>| value.clone().or_else(|| default_of(name));
            if meant(&before) != meant(&now) {
                changes.push(before.map(|value| field(name, value)), now.map(|value| field(name, value)));
            }
        }
        for name in ["sources", "maintainers"] {
            let (before, now) = (entries(before, name), entries(now, name));
            before.difference(&now).for_each(|gone| changes.push(Some(field(name, gone.clone())), None));
            now.difference(&before).for_each(|come| changes.push(None, Some(field(name, come.clone()))));
        }
    }
    changes
}

/// The entries of a list; a person in one line.
fn entries(metadata: &Metadata, field: &str) -> BTreeSet<String> {
    match field {
        "sources" => metadata.sources().map(str::to_owned).collect(),
        _ => metadata.maintainers().collect(),
    }
}

/// Dependencies of the chart and its subcharts, declared or vendored.
pub(super) fn dependencies(old: &Parts<'_>, new: &Parts<'_>) -> Changes<Dependency> {
    let (old, new) = (dependencies_of(old), dependencies_of(new));
    let keys = |all: &'_ BTreeMap<Key, Dependency>| all.keys().cloned().collect::<Vec<_>>();
    let all: BTreeSet<Key> = keys(&old).into_iter().chain(keys(&new)).collect();
    let mut changes = Changes::default();
    for key in all {
        let (old, new) = (old.get(&key), new.get(&key));
        if old != new {
            let told = |side: Option<&Dependency>| side.map(shortened);
            changes.push_with(old.is_some(), new.is_some(), || Change { old: told(old), new: told(new) });
        }
    }
    changes
}

/// Path and alias.
type Key = (String, Option<String>);

/// All of them, each text in full.
fn dependencies_of(parts: &Parts<'_>) -> BTreeMap<Key, Dependency> {
    let mut all = BTreeMap::new();
    let mut declared = BTreeSet::new();
    for part in parts.all.values() {
        for dependency in part.metadata.iter().flat_map(|metadata| &metadata.dependencies) {
            let path = format!("{}charts/{}", part.path, dependency.name);
            let vendored = parts.all.get(&format!("{path}/")).and_then(version);
            declared.insert(path.clone());
            let found = Dependency {
                path: path.clone(),
                alias: dependency.alias.clone(),
                wanted: Some(dependency.version.clone()),
                repository: Some(dependency.repository.clone()).filter(|text| !text.is_empty()),
                vendored,
            };
            all.insert((path, dependency.alias.clone()), found);
        }
    }
    for part in parts.all.values().filter(|part| !part.path.is_empty()) {
        let path = part.path.trim_end_matches('/').to_owned();
        if !declared.contains(&path) {
            let found =
                Dependency { path: path.clone(), alias: None, wanted: None, repository: None, vendored: version(part) };
            all.insert((path, None), found);
        }
    }
    all
}

/// A dependency as it is told.
fn shortened(dependency: &Dependency) -> Dependency {
    let Dependency { path, alias, wanted, repository, vendored } = dependency;
    let some = |text: &Option<String>| text.as_deref().map(told);
    Dependency {
        path: super::super::quoted(path),
        alias: some(alias),
        wanted: some(wanted),
        repository: some(repository),
        vendored: some(vendored),
    }
}

fn version(part: &Part<'_>) -> Option<String> {
    part.metadata.as_ref().map(|metadata| metadata.version.clone())
}

/// What of Chart.yaml deserves a second look.
pub(super) fn notices(old: &Parts<'_>, new: &Parts<'_>, dependencies: &Changes<Dependency>) -> Vec<Notice> {
    let mut notices = Vec::new();
    for change in &dependencies.first {
        let (None, Some(new)) = (&change.old, &change.new) else { continue };
        let version =
            new.wanted.iter().chain(&new.vendored).next().map(|version| format!(" {version}")).unwrap_or_default();
        let from = new.repository.as_ref().map(|repository| format!(" from {repository}")).unwrap_or_default();
        let name = new.path.rsplit('/').next().unwrap_or(&new.path);
        let file = format!("{}Chart.yaml", new.path.strip_suffix(&format!("charts/{name}")).unwrap_or_default());
        let what = told(&format!("{name}{version}{from}"));
        notices.push(Notice { matter: Matter::Dependency, what, file, line: None });
    }
    for (_, old, new) in pairs(old, new) {
        let (Some(old), Some(new)) = (old, new) else { continue };
        if let (Some(before), Some(now)) = (&old.metadata, &new.metadata) {
            of_part(before, now, new, &mut notices);
        }
    }
    notices
}

fn of_part(before: &Metadata, now: &Metadata, part: &Part<'_>, notices: &mut Vec<Notice>) {
    let mut push = |matter, field: &str, what: String| {
        let (file, line) = (part.path_of("Chart.yaml"), line_of(part, field));
        notices.push(Notice { matter, what: told(&what), file, line });
    };
    for (field, matter) in
        [("kubeVersion", Matter::KubeVersion), ("appVersion", Matter::AppVersion), ("type", Matter::Type)]
    {
        let shown = |metadata: &Metadata| metadata.field(field).or_else(|| default_of(field));
        let (before, now) = (shown(before), shown(now));
        // What a subchart installs is told by its version.
        if before != now && (part.path.is_empty() || matter != Matter::AppVersion) {
            let told = |value: Option<String>| value.map_or_else(|| "none".to_owned(), |value| told(&value));
            push(matter, field, format!("{} → {}", told(before), told(now)));
        }
    }
    if now.field("deprecated").is_some() && before.field("deprecated").is_none() {
        push(Matter::Deprecated, "deprecated", now.name.clone());
    }
    let (terms_before, terms) = (before.terms(), now.terms());
    for (name, terms) in terms {
        let Some(before) = terms_before.get(&name).filter(|before| **before != terms) else { continue };
        let told = |terms: &str| if terms.is_empty() { "always".to_owned() } else { told(terms) };
        push(Matter::Terms, "dependencies", format!("{name}: {} → {}", told(before), told(&terms)));
    }
    for person in entries(now, "maintainers").difference(&entries(before, "maintainers")) {
        push(Matter::Maintainer, "maintainers", person.clone());
    }
    let known: BTreeSet<String> = addresses(before).map(|(_, host)| host).collect();
    let mut told_hosts = BTreeSet::new();
    for (field, host) in addresses(now).filter(|(_, host)| !known.contains(host)) {
        if told_hosts.insert(host.clone()) {
            push(Matter::Host, field, format!("{} in {field}", told(&host)));
        }
    }
}

/// What a field without a value means.
fn default_of(field: &str) -> Option<String> {
    (field == "type").then(|| "application".to_owned())
}

/// The hosts that Chart.yaml names, with the field that names each.
fn addresses(metadata: &Metadata) -> impl Iterator<Item = (&'static str, String)> {
    let single = ["home", "icon"].into_iter().filter_map(|field| Some((field, metadata.field(field)?)));
    let sources = metadata.sources().map(|source| ("sources", source.to_owned()));
    let repositories = metadata.dependencies.iter().map(|dependency| ("dependencies", dependency.repository.clone()));
    single.chain(sources).chain(repositories).filter_map(|(field, address)| Some((field, host(&address)?)))
}

fn host(address: &str) -> Option<String> {
    let (_, rest) = address.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?.to_ascii_lowercase();
    Some(host).filter(|host| !host.is_empty())
}

/// The line at which this field stands.
fn line_of(part: &Part<'_>, field: &str) -> Option<u32> {
    let text = std::str::from_utf8(part.file("Chart.yaml")?).ok()?;
    let at = text.lines().position(|line| line.strip_prefix(field).is_some_and(|rest| rest.starts_with(':')))?;
    Some(line_number(at))
}
