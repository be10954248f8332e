//! What the files of a workspace must agree on.

use std::collections::BTreeMap;

use super::charts::chart_yaml;
use super::manifest::Mirror;
use super::{CHARTS, MIRRORS};
use crate::diagnostic::{Location, Problem, ProblemCode, Problems, code};
use crate::oci::Repository;
use crate::settings::{Access, Settings, Signing, is_loopback};

/// Checks a workspace that is to be published.
pub(super) fn check(
    settings: Option<&Settings>,
    mirrors: &[Mirror],
    charts: &[String],
    strays: bool,
    problems: &mut Problems,
) {
    if mirrors.is_empty() && charts.is_empty() && !strays {
        problems.push(Problem {
            location: Some(Location::file(MIRRORS)),
            code: code!("no-charts"),
            message: "the workspace declares no chart".to_owned(),
            help: format!(
                "write a manifest `{MIRRORS}/<name>.yaml` (source, destination, versions, provenance), or add a chart folder `{CHARTS}/<name>/`"
            ),
        });
    }
    compare(settings, mirrors, charts, problems);
}

/// Compares the manifests with each other, with the settings and with the names in `charts/`.
pub(super) fn compare(settings: Option<&Settings>, mirrors: &[Mirror], charts: &[String], problems: &mut Problems) {
    refuse_shared_destinations(mirrors, problems);
    refuse_self_mirrors(mirrors, problems);
    if let Some(settings) = settings {
        refuse_outside(settings, mirrors, problems);
        refuse_shared_with_charts(settings, mirrors, charts, problems);
        refuse_unsignable(settings, mirrors, problems);
    }
}

fn problem(at: &Location, code: ProblemCode, message: String, help: impl Into<String>) -> Problem {
    Problem { location: Some(at.clone()), code, message, help: help.into() }
}

fn refuse_shared_destinations(mirrors: &[Mirror], problems: &mut Problems) {
    let mut seen: BTreeMap<&Repository, &Mirror> = BTreeMap::new();
    for mirror in mirrors {
        let first = *seen.entry(&mirror.destination).or_insert(mirror);
        if first.file != mirror.file {
            let message = format!("`{}` is the destination of {} too", mirror.destination, first.destination_location);
            let help = "give each mirror its own destination, or put all versions into one manifest";
            problems.push(problem(&mirror.destination_location, code!("duplicate-destination"), message, help));
        }
    }
}

/// A chart's folder claims its place however broken it is: no mirror may slip in there meanwhile.
fn refuse_shared_with_charts(settings: &Settings, mirrors: &[Mirror], charts: &[String], problems: &mut Problems) {
    for chart in charts {
        let Ok(destination) = settings.publish.join(chart) else { continue };
        if let Some(mirror) = mirrors.iter().find(|mirror| mirror.destination == destination) {
            let message = format!("`{destination}` is the destination of {} too", mirror.destination_location);
            let help = "rename the chart, or mirror to another destination";
            problems.push(problem(&Location::file(chart_yaml(chart)), code!("duplicate-destination"), message, help));
        }
    }
}

fn refuse_self_mirrors(mirrors: &[Mirror], problems: &mut Problems) {
    for mirror in mirrors.iter().filter(|mirror| mirror.source == mirror.destination) {
        let message = format!("source and destination are both `{}`", mirror.source);
        let help = "a mirror copies from somewhere else: correct one of them";
        problems.push(problem(&mirror.destination_location, code!("self-mirror"), message, help));
    }
}

fn refuse_outside(settings: &Settings, mirrors: &[Mirror], problems: &mut Problems) {
    for mirror in mirrors.iter().filter(|mirror| !mirror.destination.is_below(&settings.publish)) {
        let message = format!("the destination `{}` does not lie below `{}`", mirror.destination, settings.publish);
        let help =
            format!("write `{}/…`, or change `publish.repository` ({})", settings.publish, settings.publish_location);
        problems.push(problem(&mirror.destination_location, code!("destination-outside"), message, help));
    }
}

/// A keyless signature is a public statement about a place: it must be one that others can reach and nobody can stand in for.
fn refuse_unsignable(settings: &Settings, mirrors: &[Mirror], problems: &mut Problems) {
    if !matches!(settings.signing, Signing::Keyless(_)) {
        return;
    }
    let sources = mirrors.iter().map(|mirror| (&mirror.source, &mirror.source_location));
    for (repository, at) in std::iter::once((&settings.publish, &settings.publish_location)).chain(sources) {
        let host = repository.host();
        let what = match settings.access(host) {
            Access::Layout(_) => "a folder of layouts",
            Access::PlainHttp if !is_loopback(host) => "reached over plain http",
            Access::Https | Access::PlainHttp => continue,
        };
        let message = format!("keyless signing refuses `{host}`, which is {what}");
        let help = "choose `signing.method = \"key\"` or `\"none\"`, or reach the registry over https";
        problems.push(problem(at, code!("keyless-place"), message, help));
    }
}
