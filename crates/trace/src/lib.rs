//! One trace per run, folded from the journal, and its exporters as encoders.
