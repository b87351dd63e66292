//! Mistakes that are made on purpose, to see that tests find them: the model makes them in its runs, and whole brokers that are built with
//! the feature `mutants`, which no release has, make the one that `KINGLET_MUTANT` names.

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(test), allow(dead_code, reason = "some are the model's alone"))]
pub(crate) enum Mutant {
    /// Answers before the ISR has it.
    AckEarly,
    /// A follower cuts to its high watermark instead of asking its leader where they part (KIP-101).
    TruncateToHighWatermark,
    /// Takes messages of other epochs for its own.
    SkipEpochCheck,
    /// Appends a batch again that a producer sends again.
    ForgetDuplicates,
    /// A follower remembers no producers, for the time when it leads.
    ForgetCopied,
    /// Who was proposed counts only once the image says so.
    ForgetProposed,
    /// A follower joins that has not all that its leader began with.
    JoinEarly,
    /// A process leads that has read only of its earlier life's leadership.
    LeadUnregistered,
    /// A process whose disk has lost records says that the last one ended in order.
    PassForClean,
    /// A proposal is kept whatever it was decided on.
    KeepStale,
    /// Tells consumers an end before it knows what its predecessors committed (KIP-207).
    TellUnsettled,
    /// Gives consumers what is not committed.
    ReadUncommitted,
    /// A leader takes a follower that lags out of the ISR without asking the controller.
    ShrinkAlone,
    /// Elects whoever lives when the leader does not, in sync or not.
    ElectAnyone,
}

/// The one that this process makes.
#[cfg(feature = "mutants")]
pub(crate) fn made() -> Option<Mutant> {
    static MADE: std::sync::LazyLock<Option<Mutant>> = std::sync::LazyLock::new(|| {
        let name = std::env::var("KINGLET_MUTANT").ok()?;
        let all = [
            Mutant::AckEarly,
            Mutant::TruncateToHighWatermark,
            Mutant::ForgetDuplicates,
            Mutant::ForgetProposed,
            Mutant::JoinEarly,
            Mutant::TellUnsettled,
            Mutant::ReadUncommitted,
            Mutant::ShrinkAlone,
            Mutant::ElectAnyone,
        ];
        all.into_iter().find(|mutant| format!("{mutant:?}") == name)
    });
    *MADE
}

/// None: this is no such build.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn made() -> Option<Mutant> {
    None
}

/// Whether this process makes it.
pub(crate) fn makes(mutant: Mutant) -> bool {
    made() == Some(mutant)
}
