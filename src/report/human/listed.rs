//! What is published, as `list` and `show` tell it.

use super::page::{Page, Tone, faint, plain, strong, toned};
use super::{count, signed, size};
use crate::lock::Signer;
use crate::report::{Bytes, Listed};
use crate::workspace::keyring_file;

/// Every chart with its versions, digests shortened. The last line counts them.
#[must_use]
pub fn list(listed: &[Listed]) -> String {
    let mut page = Page::default();
    for chart in listed.chunk_by(|one, other| one.reference.repository == other.reference.repository) {
        page.gap();
        let Some(first) = chart.first() else { continue };
        page.line(0, &[strong(first.name.as_str()), plain(format!("  {}", first.reference.repository))]);
        let width = chart.iter().map(|one| one.version.as_str().len()).max().unwrap_or_default();
        let app = |one: &Listed| one.app_version.as_ref().map(|app| format!("app {app}")).unwrap_or_default();
        let app_width = chart.iter().map(|one| app(one).chars().count()).max().unwrap_or_default();
        for one in chart {
            let head = plain(format!("{:width$}  ", one.version.as_str()));
            let app = plain(if app_width == 0 { String::new() } else { format!("{:app_width$}  ", app(one)) });
            let (tone, bytes) = bytes(one);
            page.line(4, &[head, app, toned(tone, bytes)]);
        }
        let signers =
            chart.iter().filter_map(Listed::pin).map(|pin| &pin.signer).collect::<std::collections::BTreeSet<_>>();
        for signer in signers {
            let by = chart.iter().find(|one| one.pin().is_some_and(|pin| pin.signer == *signer));
            page.line(4, &[faint(signed(signer, by.and_then(|one| one.claims.as_deref())))]);
        }
    }
    page.gap();
    page.line(0, &[plain(summary(listed))]);
    page.finish()
}

fn bytes(one: &Listed) -> (Tone, String) {
    match &one.bytes {
        Bytes::Pinned(pin) => (Tone::Normal, pin.digest.short()),
        Bytes::Unpinned { .. } => (Tone::Warning, "? no pin yet: run `chartsync lock`".to_owned()),
        Bytes::Folder(folder) => (Tone::Normal, format!("packaged from {folder}")),
    }
}

fn summary(listed: &[Listed]) -> String {
    let charts = listed.chunk_by(|one, other| one.reference.repository == other.reference.repository).count();
    let unpinned = listed.iter().filter(|one| matches!(one.bytes, Bytes::Unpinned { .. })).count();
    let told = match charts {
        0 => return "no chart is declared".to_owned(),
        _ => format!("{} in {}", count(charts, "chart"), count(listed.len(), "version")),
    };
    if unpinned == 0 { told } else { format!("{told}, {unpinned} without a pin") }
}

/// Everything about these versions, and what consumers type.
#[must_use]
pub fn show(listed: &[Listed]) -> String {
    let mut page = Page::default();
    for one in listed {
        page.gap();
        page.line(
            0,
            &[strong(format!("{} {}", one.name, one.version)), plain(format!(", published as {}", one.reference))],
        );
        fields(&mut page, one);
        for command in &one.commands {
            page.gap();
            page.line(4, &[faint(command.what)]);
            page.line(4, &[plain("  "), plain(command.line.as_str())]);
        }
        if let Some(caveat) = &one.caveat {
            page.gap();
            page.line(4, &[faint("note: "), plain(caveat.as_str())]);
        }
    }
    page.finish()
}

fn fields(page: &mut Page, one: &Listed) {
    let mut rows: Vec<(&str, String)> = Vec::new();
    match &one.bytes {
        Bytes::Pinned(pin) => {
            rows.push(("digest", pin.digest.to_string()));
            rows.push(("source", pin.source_reference().to_string()));
            rows.push(("archive", format!("{}, {}", pin.archive, size(pin.archive_size))));
            let provenance = pin.provenance.map(|digest| digest.to_string());
            rows.push(("provenance", provenance.unwrap_or_else(|| "none".to_owned())));
            if let Signer::Pgp(_) = pin.signer {
                rows.push(("signer", super::signer(&pin.signer, one.claims.as_deref())));
            }
            if let Some(digest) = &pin.keyring {
                rows.push((
                    "keyring",
                    one.keyring.as_ref().map_or_else(|| keyring_file(digest), |file| file.path.clone()),
                ));
            }
        }
        Bytes::Unpinned { source, reason } => {
            rows.push(("digest", format!("not decided yet: {reason}")));
            rows.push(("source", source.to_string()));
        }
        Bytes::Folder(folder) => {
            rows.push(("digest", "of the package that `chartsync apply` makes; `chartsync plan` tells it".to_owned()));
            rows.push(("source", format!("{folder} of this repository")));
        }
    }
    rows.push(("app version", one.app_version.clone().unwrap_or_else(|| "not given".to_owned())));
    rows.push(("declared", one.declared.to_string()));
    if let Some(at) = one.pin().and_then(crate::lock::Pin::location) {
        rows.push(("pinned", at.to_string()));
    }
    let width = rows.iter().map(|(field, _)| field.len()).max().unwrap_or_default();
    for (field, value) in &rows {
        page.field(4, width, field, value);
    }
}
