//! A value axis: from zero to a round value, with round marks.

use super::time_axis::{DAY, WIDTHS};
use crate::pages::report::quantity::Unit;

/// Marks aimed at.
const MARKS: f64 = 4.0;

/// Least distance of marks: a millisecond, and a tenth of a per cent.
const LEAST_TIME: f64 = 0.001;
const LEAST_SHARE: f64 = 0.001;

/// A value more than so many times as high as the rest is a spike.
const SPIKE: f64 = 4.0;

/// One in so many values may be a spike, and at least one if there are enough values to compare with.
const VALUES_PER_SPIKE: usize = 10;
const FEWEST_VALUES: usize = 4;

/// Height of an axis that cuts spikes, relative to the rest.
const HEADROOM: f64 = 1.25;

/// An axis of values.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueAxis {
    /// The marks, zero first.
    pub marks: Vec<f64>,
    unit: Unit,
}

impl ValueAxis {
    /// The axis for these values. It cuts a few spikes, which would flatten everything else.
    pub fn of(values: impl IntoIterator<Item = f64>, unit: Unit) -> ValueAxis {
        let mut values: Vec<f64> = values.into_iter().filter(|value| *value > 0.0).collect();
        values.sort_by(f64::total_cmp);
        let spikes = match values.len() {
            ..FEWEST_VALUES => 0,
            number => (number / VALUES_PER_SPIKE).max(1),
        };
        let most = values.last().copied().unwrap_or_default();
        let rest = values[..values.len() - spikes].last().copied();
        match rest.filter(|rest| most > rest * SPIKE) {
            Some(rest) => ValueAxis::to(rest * HEADROOM, unit),
            None => ValueAxis::to(most, unit),
        }
    }

    /// The axis for values up to `most`.
    pub fn to(most: f64, unit: Unit) -> ValueAxis {
        let least = most / MARKS;
        let step = match unit {
            Unit::Things => decimal(least.max(1.0)),
            Unit::Share => decimal(least.max(LEAST_SHARE)),
            Unit::Seconds if least < 1.0 => decimal(least.max(LEAST_TIME)),
            Unit::Seconds => WIDTHS
                .into_iter()
                .map(|width| width as f64)
                .find(|width| *width >= least && *width <= DAY as f64)
                .unwrap_or_else(|| DAY as f64 * decimal(least / DAY as f64)),
        };
        // 0.6 / 0.2 is a little more or less than 3.
        let steps = (most / step - f64::EPSILON * MARKS).ceil().max(1.0) as u32;
        ValueAxis {
            marks: (0..=steps).map(|number| f64::from(number) * step).collect(),
            unit,
        }
    }

    /// The position of a value, from 0 at zero to 1 at the last mark; values outside are clamped.
    pub fn place(&self, value: f64) -> f64 {
        (value / self.end()).clamp(0.0, 1.0)
    }

    /// Whether a value is beyond the last mark.
    pub fn is_beyond(&self, value: f64) -> bool {
        value > self.end() * (1.0 + f64::EPSILON)
    }

    /// The text of a mark.
    pub fn label(&self, mark: f64) -> String {
        self.unit.mark(mark)
    }

    fn end(&self) -> f64 {
        self.marks.last().copied().unwrap_or(1.0)
    }
}

/// Rounds up to 1, 2 or 5 times a power of ten.
fn decimal(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|digit| digit * power)
        .find(|step| *step >= least * (1.0 - f64::EPSILON))
        .unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::{Unit, ValueAxis};

    fn marks(axis: &ValueAxis) -> Vec<String> {
        axis.marks.iter().map(|mark| axis.label(*mark)).collect()
    }

    #[test]
    fn marks_are_round_and_begin_at_zero() {
        let marks = |most, unit| marks(&ValueAxis::to(most, unit));
        assert_eq!(marks(0.0, Unit::Things), ["0", "1"]);
        assert_eq!(marks(1.0, Unit::Things), ["0", "1"]);
        assert_eq!(marks(7.0, Unit::Things), ["0", "2", "4", "6", "8"]);
        assert_eq!(marks(1_000.0, Unit::Things), ["0", "500", "1,000"]);
        assert_eq!(
            marks(61_000.0, Unit::Things),
            ["0", "20k", "40k", "60k", "80k"]
        );
        assert_eq!(marks(9.0, Unit::Seconds), ["0 s", "5 s", "10 s"]);
        assert_eq!(
            marks(0.034, Unit::Seconds),
            ["0 s", "10 ms", "20 ms", "30 ms", "40 ms"]
        );
        assert_eq!(
            marks(7_000.0, Unit::Seconds),
            ["0 s", "30 min", "1 h", "1.5 h", "2 h"]
        );
        assert_eq!(
            marks(1e9, Unit::Seconds),
            ["0 s", "5000 d", "10000 d", "15000 d"]
        );
        assert_eq!(marks(1.0, Unit::Share), ["0%", "50%", "100%"]);
        assert_eq!(marks(0.6, Unit::Share), ["0%", "20%", "40%", "60%"]);
        assert_eq!(marks(0.013, Unit::Share), ["0%", "0.5%", "1%", "1.5%"]);
    }

    #[test]
    fn a_few_spikes_do_not_flatten_the_rest() {
        let axis = |values: &[f64]| ValueAxis::of(values.iter().copied(), Unit::Things);
        let spiky = axis(&[1.0, 0.0, 2.0, 1.0, 2.0, 500.0]);
        assert_eq!(marks(&spiky), ["0", "1", "2", "3"]);
        assert!(spiky.is_beyond(500.0) && !spiky.is_beyond(3.0));
        assert_eq!(spiky.place(500.0), 1.0);
        // Every fifth value is too many for spikes.
        let often: Vec<f64> = (0..100)
            .map(|number| [1.0, 500.0][usize::from(number % 5 == 0)])
            .collect();
        assert_eq!(marks(&axis(&often)), ["0", "200", "400", "600"]);
        // Two values are too few to recognise a spike.
        assert_eq!(marks(&axis(&[1.0, 500.0])), ["0", "200", "400", "600"]);
        assert_eq!(
            marks(&axis(&[9.0, 8.0, 7.0, 30.0])),
            ["0", "10", "20", "30"]
        );
        assert_eq!(marks(&axis(&[])), ["0", "1"]);
    }
}
