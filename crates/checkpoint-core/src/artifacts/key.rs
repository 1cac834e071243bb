//! The object key of an artifact: the only place that knows the store's layout.

use crate::digest::Sha256;

/// `artifact/ab/cdef…`: two digits of fan-out keep directories of a local store small.
pub(super) fn of(sha256: &Sha256) -> String {
    let hex = sha256.to_string();
    format!("artifact/{}/{}", &hex[..2], &hex[2..])
}
