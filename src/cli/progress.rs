//! A progress bar, on a terminal, for what takes longer than a second.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use checkpoint_core::progress::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;

/// What is over before this does not need a bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// The bar of the stage that is going on.
pub(super) struct Bars {
    state: Mutex<State>,
}

struct State {
    begun: Instant,
    bar: ProgressBar,
}

impl Bars {
    pub(super) fn new() -> Bars {
        Bars { state: Mutex::new(State { begun: Instant::now(), bar: ProgressBar::hidden() }) }
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        self.with(|state| state.bar.finish_and_clear());
    }

    fn with(&self, act: impl FnOnce(&mut State)) {
        // A bar is not worth a panic: whatever state another thread left is good enough.
        act(&mut self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
    }
}

impl State {
    fn show_if_due(&self) {
        if self.bar.is_hidden() && output::is_watched() && self.begun.elapsed() >= PATIENCE {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.bar.enable_steady_tick(Duration::from_millis(200));
        }
    }
}

impl Bars {
    fn show(&self, template: &str, stage: &str, length: Option<u64>) {
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.with(|state| {
            state.bar.finish_and_clear();
            let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::hidden());
            bar.set_style(style);
            bar.set_message(stage.to_owned());
            state.bar = bar;
            // A stage without steps never reports, so its bar comes at once; it is gone when the stage is.
            if length.is_none() && output::is_watched() {
                state.bar.set_draw_target(ProgressDrawTarget::stderr());
                state.bar.enable_steady_tick(PATIENCE);
            }
        });
    }
}

impl Progress for Bars {
    fn begin(&self, stage: &str, steps: Option<u64>) {
        let template = match steps {
            Some(_) => "{msg} {bar:30} {pos}/{len} {per_sec} {eta}",
            None => "{spinner} {msg} {elapsed}",
        };
        self.show(template, stage, steps);
    }

    fn begin_bytes(&self, stage: &str, bytes: u64) {
        let template = "{msg} {bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
        self.show(template, stage, Some(bytes));
    }

    fn advance(&self, steps: u64) {
        self.with(|state| {
            state.bar.inc(steps);
            state.show_if_due();
        });
    }
}
