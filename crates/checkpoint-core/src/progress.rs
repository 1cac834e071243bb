//! How far along a long operation is.

/// Is told about progress. Calls come from any thread and must be quick.
pub trait Progress: Send + Sync {
    /// A stage begins: what is done (`hashing`), and how many steps it has where that is known.
    fn begin(&self, stage: &str, steps: Option<u64>);

    /// A stage begins that moves so many bytes; [`Progress::advance`] counts them.
    fn begin_bytes(&self, stage: &str, bytes: u64);

    /// So many more steps of the stage are done.
    fn advance(&self, steps: u64);

    /// Something that whoever looks at the end should know. Those who get the result itself find it there.
    fn remark(&self, _sentence: &str) {}
}

/// Nobody is watching.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: Option<u64>) {}

    fn begin_bytes(&self, _: &str, _: u64) {}

    fn advance(&self, _: u64) {}
}
