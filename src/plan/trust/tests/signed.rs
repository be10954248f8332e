//! Who signs a version that is new.

use super::*;

#[test]
fn a_signer_that_signed_no_version_before() {
    let side = Side::new(KEY);
    let pin = |version: &str, signer: &str| {
        let signer = if signer.is_empty() { Signer::None } else { Signer::Pgp(signer.repeat(40).parse().unwrap()) };
        Pin { version: version.parse().unwrap(), signer, ..side.pin.clone() }
    };
    let told = |before: &[Pin], new: Pin| {
        let old = Lockfile::from_pins(before.to_vec());
        let new = Lockfile::from_pins([before, &[new]].concat());
        let trusted = |lockfile| Trusted { workspace: &side.workspace, lockfile };
        let told = changes(Some(trusted(&old)), Trusted { workspace: &side.workspace, lockfile: &new });
        told.into_iter().map(|finding| finding.message).collect::<Vec<_>>()
    };
    let before = [pin("1.0.0", "A"), pin("1.1.0", "B")];
    for signer in ["A", "B"] {
        assert!(told(&before, pin("1.2.0", signer)).is_empty(), "{signer}");
    }
    let new = |signer: &str| vec![format!("it is signed by {signer}, which signed no version before")];
    assert_eq!(told(&before, pin("1.2.0", "C")), new(&"C".repeat(40)));
    assert_eq!(told(&before, pin("1.2.0", "")), new("nobody (no provenance)"));
    // Of the first version of all there is nothing to compare it with.
    assert!(told(&[], pin("1.2.0", "C")).is_empty());
}
