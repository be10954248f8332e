//! What is published, as a table for a README.

use std::fmt::Write as _;

use super::text::{cell, code};
use crate::lock::Signer;
use crate::report::{Bytes, Listed};

/// A row for each chart version; a sentence where there is none.
#[must_use]
pub fn list(listed: &[Listed]) -> String {
    if listed.is_empty() {
        return "No chart is declared yet.\n".to_owned();
    }
    let mut table = String::from("| chart | version | installs | digest | provenance |\n|---|---|---|---|---|\n");
    for one in listed {
        // Only this is anybody else's text: the rest has an alphabet of its own, without `|`.
        let app_version = one.app_version.as_deref().map_or_else(|| "–".to_owned(), cell);
        let (digest, provenance) = match &one.bytes {
            Bytes::Pinned(pin) => {
                let provenance = match &pin.signer {
                    Signer::Pgp(fingerprint) => format!("signed by {}", code(fingerprint.as_str())),
                    Signer::None => "none".to_owned(),
                };
                (code(&pin.digest.to_string()), provenance)
            }
            Bytes::Unpinned { .. } => ("not pinned yet".to_owned(), "–".to_owned()),
            Bytes::Folder(folder) => (format!("packaged from {}", code(folder)), "–".to_owned()),
        };
        let (chart, version) = (code(&format!("oci://{}", one.reference.repository)), code(one.version.as_str()));
        let _ = writeln!(table, "| {chart} | {version} | {app_version} | {digest} | {provenance} |");
    }
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::samples::{Words, assert_golden, nasty};

    #[test]
    fn a_table() {
        assert_golden("list.md", &list(&Words("").listed()));
        assert_eq!(list(&[]), "No chart is declared yet.\n");
    }

    proptest! {
        #[test]
        fn no_text_breaks_out_of_its_cell(words in nasty()) {
            let table = list(&Words(&words).listed());
            prop_assert_eq!(table.lines().count(), 5, "{}", table);
            for line in table.lines() {
                // Unescaped bars only: those between cells.
                let bars = line.replace("\\\\", "").replace("\\|", "").matches('|').count();
                prop_assert_eq!(bars, 6, "{}", line);
            }
        }
    }
}
