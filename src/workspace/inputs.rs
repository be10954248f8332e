//! Which files a workspace was read from, and what was in them: what a saved plan rests on.

use std::collections::{BTreeMap, BTreeSet};

use super::{CHARTS, KEYRINGS, KeyringSource, LOCK_FILE, MIRRORS, Tree, TreeError, Workspace, keyring_file};
use crate::oci::Digest;
use crate::settings::SETTINGS_FILE;

impl Workspace {
    /// Every file that this workspace was read from, with the digest of its bytes now.
    pub fn inputs(&self, tree: &Tree) -> Result<BTreeMap<String, Digest>, TreeError> {
        let mut files = BTreeSet::from([SETTINGS_FILE.to_owned(), LOCK_FILE.to_owned()]);
        for folder in [MIRRORS, KEYRINGS] {
            files.extend(tree.list(folder)?.into_iter().map(|entry| format!("{folder}/{}", entry.name)));
        }
        files.extend(self.keyrings.committed().map(keyring_file));
        files.extend(self.signing_files.keys().cloned());
        for mirror in &self.mirrors {
            if let Some(KeyringSource::Path { path, .. }) = &mirror.trust.keyring {
                files.insert(path.to_string());
            }
        }
        let files: Vec<String> = files.into_iter().collect();
        let mut inputs = BTreeMap::new();
        for (file, bytes) in files.iter().zip(tree.read_all(&files)) {
            if let Some(bytes) = bytes? {
                inputs.insert(file.clone(), Digest::of(&bytes));
            }
        }
        for chart in &self.charts {
            let files = chart.files.iter();
            inputs.extend(files.map(|(path, digest)| (format!("{CHARTS}/{}/{path}", chart.name), *digest)));
        }
        Ok(inputs)
    }
}
