//! Proofs out of the tiles of trees of every shape, checked as a reader of them does.

use super::*;

fn leaf(index: u64) -> Sha256Hash {
    Sha256Hash::new(*Digest::of(&[&[0][..], &index.to_be_bytes()].concat()).as_bytes())
}

/// The root over these leaves, as RFC 9162 defines it.
fn root(leaves: &[Sha256Hash]) -> Sha256Hash {
    if let [leaf] = leaves {
        return *leaf;
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    parent(&root(left), &root(right))
}

/// The root that a proof leads to (RFC 9162, 2.1.3.2); `None` if it is too long or too short.
fn proven(index: u64, size: u64, proof: &[Sha256Hash]) -> Option<Sha256Hash> {
    let (mut number, mut last, mut hash) = (index, size - 1, leaf(index));
    for beside in proof {
        if last == 0 {
            return None;
        }
        if number % 2 == 1 || number == last {
            hash = parent(beside, &hash);
            while number.is_multiple_of(2) && number != 0 {
                (number, last) = (number / 2, last / 2);
            }
        } else {
            hash = parent(&hash, beside);
        }
        (number, last) = (number / 2, last / 2);
    }
    (last == 0).then_some(hash)
}

#[tokio::test]
async fn a_proof_leads_to_the_root_of_a_tree_of_any_size() {
    let sizes = (1..20).chain([255, 256, 257, 511, 512, 700, 65_535, 65_536, 65_537, 70_000]);
    for size in sizes {
        let leaves: Vec<_> = (0..size).map(leaf).collect();
        let mut rows = vec![leaves.clone()];
        while let Some(row) = rows.last().filter(|row| row.len() >= 256) {
            rows.push(row.as_chunks::<256>().0.iter().map(|tile| root(tile)).collect());
        }
        let tile = async |row: u32, number: u64, width: Option<NonZeroU8>| {
            let row = &rows[usize::try_from(row).unwrap()];
            let tile = row.chunks(256).nth(usize::try_from(number).unwrap()).unwrap();
            // Nobody keeps a tile of another width than the tree's.
            assert_eq!(width.map_or(256, |width| usize::from(width.get())), tile.len(), "tile {number} of {size}");
            Ok(tile.iter().flat_map(|hash| *hash.as_bytes()).collect())
        };
        let root = root(&leaves);
        for index in (0..20).chain([254, 255, 256, 257, 300, 65_535, 65_536]).chain([size - 1]) {
            if index < size {
                let proof = proof(&tile, index, size).await.unwrap();
                assert_eq!(proven(index, size, &proof), Some(root), "{index} of {size}");
            }
        }
    }
}

#[tokio::test]
async fn a_tile_that_is_too_short_is_told() {
    for bytes in [0, 31, 32 * 43 + 31] {
        let tile = async |_, _, _| Ok(vec![0; bytes]);
        let told = proof(&tile, 3, 44).await.unwrap_err().to_string();
        assert!(told.contains("too short"), "{bytes}: {told}");
    }
}
