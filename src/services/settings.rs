//! What both services can be told on the command line or in the environment.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// Seeds the names when `--seed` does not: a restarted service writes the same names.
const NAMES_SEED: u64 = 0;

/// The lowest pace that is taken, in events per second: one in a quarter of an hour. Anything lower
/// is a slip.
const MIN_RATE: f64 = 0.001;

/// The settings that both services share.
#[derive(Args)]
pub struct Settings {
    /// Append the log to a file in this folder; without it the log goes to stderr
    #[arg(long, env = "LOGS_DIR", value_name = "FOLDER")]
    pub logs_dir: Option<PathBuf>,

    /// Make all that is random repeatable: names, choices and event ids (times remain the clock's)
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// Events per second on average, instead of the service's own pace; `inf` is as fast as the
    /// disk takes them
    #[arg(long, value_name = "RATE", value_parser = rate, allow_negative_numbers = true)]
    pub rate: Option<f64>,
}

impl Settings {
    /// The source of names: the same after every start.
    pub fn names(&self) -> StdRng {
        StdRng::seed_from_u64(self.seed.unwrap_or(NAMES_SEED))
    }

    /// The source of everything else: another after every start, unless seeded.
    pub fn choices(&self) -> StdRng {
        match self.seed {
            Some(_) => self.names().fork(),
            None => rand::make_rng(),
        }
    }

    /// How long to pause where a service that writes `default_rate` events per second pauses for
    /// `pause`.
    pub fn pause(&self, pause: Duration, default_rate: f64) -> Duration {
        self.rate
            .map_or(pause, |rate| pause.mul_f64(default_rate / rate))
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate >= MIN_RATE => Ok(rate),
        Ok(_) => Err(format!(
            "the rate must be {MIN_RATE} or more; `inf` writes without a pause"
        )),
        Err(_) => Err("the rate must be a number of events per second, such as 20 or 0.5".into()),
    }
}
