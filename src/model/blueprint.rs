//! Which system a model is, and its sizes: they lie beside its weights, in `model.toml`.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::architecture::{Architecture, ArchitectureError};
use super::backbone::HALF_RATE_TICKS;
use super::cnn::CnnShape;
use super::ensemble::MEMBERS_MAX;
use super::lstm::LstmShape;
use crate::features;

/// The systems that turn poses into verdicts. All of them share features, labels, calibration, decoding and scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SystemName {
    /// A recurrent network over plain coordinates.
    Lstm,
    /// Causal convolutions over plain coordinates.
    Cnn,
    /// Boosted trees over plain coordinates and speeds, one model for all behaviors of a label set: what nobody looked for
    /// in a recording counts as background there, as classes cannot be masked.
    Xgboost,
    /// Boosted trees over all features, one model for each behavior.
    XgboostPerBehavior,
    /// Graph attention and a Squeezeformer-style backbone.
    #[default]
    Hhstf,
    /// Finished models of the others, together: combined, not trained.
    Ensemble,
}

impl SystemName {
    /// Those that are trained.
    pub const ALL: [Self; 5] = [Self::Lstm, Self::Cnn, Self::Xgboost, Self::XgboostPerBehavior, Self::Hhstf];

    pub fn name(self) -> &'static str {
        match self {
            Self::Lstm => "lstm",
            Self::Cnn => "cnn",
            Self::Xgboost => "xgboost",
            Self::XgboostPerBehavior => "xgboost-per-behavior",
            Self::Hhstf => "hhstf",
            Self::Ensemble => "ensemble",
        }
    }
}

impl fmt::Display for SystemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected a system out of lstm, cnn, xgboost, xgboost-per-behavior and hhstf, got {0:?}")]
pub struct UnknownSystem(pub String);

impl FromStr for SystemName {
    type Err = UnknownSystem;

    fn from_str(text: &str) -> Result<Self, UnknownSystem> {
        Self::ALL.into_iter().find(|system| system.name() == text).ok_or_else(|| UnknownSystem(text.to_owned()))
    }
}

/// A system with its sizes.
///
/// In a file it is a table whose key `system` names it; without that key it is an [`Architecture`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blueprint {
    Hhstf(Architecture),
    Lstm(LstmShape),
    Cnn(CnnShape),
    Xgboost,
    XgboostPerBehavior,
    /// See [`super::ensemble`].
    Ensemble(Vec<Blueprint>),
}

impl Default for Blueprint {
    fn default() -> Self {
        Self::Hhstf(Architecture::default())
    }
}

impl From<Architecture> for Blueprint {
    fn from(architecture: Architecture) -> Self {
        Self::Hhstf(architecture)
    }
}

impl Blueprint {
    /// The system with its usual sizes.
    pub fn of(system: SystemName) -> Self {
        match system {
            SystemName::Hhstf => Self::Hhstf(Architecture::default()),
            SystemName::Lstm => Self::Lstm(LstmShape::default()),
            SystemName::Cnn => Self::Cnn(CnnShape::default()),
            SystemName::Xgboost => Self::Xgboost,
            SystemName::XgboostPerBehavior => Self::XgboostPerBehavior,
            SystemName::Ensemble => Self::Ensemble(Vec::new()),
        }
    }

    pub fn system(&self) -> SystemName {
        match self {
            Self::Hhstf(_) => SystemName::Hhstf,
            Self::Lstm(_) => SystemName::Lstm,
            Self::Cnn(_) => SystemName::Cnn,
            Self::Xgboost => SystemName::Xgboost,
            Self::XgboostPerBehavior => SystemName::XgboostPerBehavior,
            Self::Ensemble(_) => SystemName::Ensemble,
        }
    }

    /// Whether it is a network, which is trained by gradients.
    pub fn is_network(&self) -> bool {
        matches!(self, Self::Hhstf(_) | Self::Lstm(_) | Self::Cnn(_))
    }

    /// Whether it runs on other devices than the processor, too.
    pub fn runs_anywhere(&self) -> bool {
        match self {
            Self::Ensemble(members) => members.iter().all(Self::runs_anywhere),
            _ => self.is_network(),
        }
    }

    /// The sizes of an HHSTF; `None` of other systems.
    pub fn hhstf(&self) -> Option<&Architecture> {
        match self {
            Self::Hhstf(architecture) => Some(architecture),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub fn hhstf_mut(&mut self) -> Option<&mut Architecture> {
        match self {
            Self::Hhstf(architecture) => Some(architecture),
            _ => None,
        }
    }

    /// Whether it reads statistics of signals over long windows, see [`features`].
    pub fn has_statistics(&self) -> bool {
        match self {
            Self::Hhstf(architecture) => architecture.statistics,
            Self::XgboostPerBehavior => true,
            Self::Lstm(_) | Self::Cnn(_) | Self::Xgboost => false,
            Self::Ensemble(members) => members.iter().any(Self::has_statistics),
        }
    }

    /// Ticks, the newest included, that what it is given depends on.
    pub fn features_reach(&self) -> usize {
        if self.has_statistics() { features::STATISTICS_REACH_TICKS } else { features::REACH_TICKS }
    }

    /// Ticks, the newest included, that a verdict depends on, features included.
    pub fn receptive_field(&self) -> usize {
        match self {
            Self::Hhstf(architecture) => architecture.receptive_field(),
            Self::Lstm(shape) => self.features_reach() + shape.receptive_field() - 1,
            Self::Cnn(shape) => self.features_reach() + shape.receptive_field() - 1,
            Self::Xgboost | Self::XgboostPerBehavior => self.features_reach(),
            Self::Ensemble(members) => members.iter().map(Self::receptive_field).max().unwrap_or(1),
        }
    }

    /// See [`super::system::System::period_ticks`].
    pub fn period_ticks(&self) -> usize {
        match self {
            Self::Hhstf(_) => HALF_RATE_TICKS as usize,
            Self::Lstm(shape) => shape.segment_ticks,
            Self::Cnn(_) | Self::Xgboost | Self::XgboostPerBehavior => 1,
            Self::Ensemble(members) => members.iter().map(Self::period_ticks).max().unwrap_or(1),
        }
    }

    /// # Errors
    /// Sizes out of their bounds, and a reach of more than [`crate::time::WINDOW_TICKS`].
    pub fn check(&self) -> Result<(), ArchitectureError> {
        match self {
            Self::Hhstf(architecture) => architecture.check(),
            Self::Lstm(shape) => shape.check().and_then(|()| self.check_reach()),
            Self::Cnn(shape) => shape.check().and_then(|()| self.check_reach()),
            Self::Xgboost | Self::XgboostPerBehavior => self.check_reach(),
            Self::Ensemble(members) => {
                let (min, max, got) = (2, MEMBERS_MAX, members.len());
                if !(min..=max).contains(&got) || members.iter().any(|member| matches!(member, Self::Ensemble(_))) {
                    return Err(ArchitectureError::Bound { key: "members (no ensembles)", min, max, got });
                }
                members.iter().try_for_each(Self::check)?;
                self.check_reach()
            }
        }
    }

    /// Whatever part of a period the ring of the last ticks begins in, the ticks that matter are behind its next begin.
    fn check_reach(&self) -> Result<(), ArchitectureError> {
        match self.receptive_field() + self.period_ticks() - 1 {
            got if got > crate::time::WINDOW_TICKS => Err(ArchitectureError::Reach { got }),
            _ => Ok(()),
        }
    }
}

/// The tables of all systems but HHSTF.
#[derive(Serialize, Deserialize)]
#[serde(tag = "system", rename_all = "kebab-case", deny_unknown_fields)]
enum Tagged {
    Lstm(LstmShape),
    Cnn(CnnShape),
    Xgboost {},
    XgboostPerBehavior {},
    Ensemble { members: Vec<Blueprint> },
}

impl Serialize for Blueprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tagged = match self {
            Self::Hhstf(architecture) => return architecture.serialize(serializer),
            Self::Lstm(shape) => Tagged::Lstm(shape.clone()),
            Self::Cnn(shape) => Tagged::Cnn(shape.clone()),
            Self::Xgboost => Tagged::Xgboost {},
            Self::XgboostPerBehavior => Tagged::XgboostPerBehavior {},
            Self::Ensemble(members) => Tagged::Ensemble { members: members.clone() },
        };
        tagged.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Blueprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = serde_json::Map::deserialize(deserializer)?;
        let system = match table.get("system").map(|system| system.as_str()) {
            None => SystemName::Hhstf,
            Some(Some("ensemble")) => SystemName::Ensemble,
            Some(Some(named)) => named.parse().map_err(D::Error::custom)?,
            Some(None) => return Err(D::Error::custom("system: expected a name")),
        };
        if system == SystemName::Hhstf {
            table.remove("system");
            return serde_json::from_value(table.into()).map(Self::Hhstf).map_err(D::Error::custom);
        }
        Ok(match serde_json::from_value(table.into()).map_err(D::Error::custom)? {
            Tagged::Lstm(shape) => Self::Lstm(shape),
            Tagged::Cnn(shape) => Self::Cnn(shape),
            Tagged::Xgboost {} => Self::Xgboost,
            Tagged::XgboostPerBehavior {} => Self::XgboostPerBehavior,
            Tagged::Ensemble { members } => Self::Ensemble(members),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_system_is_read_as_it_was_written() {
        for system in SystemName::ALL {
            let blueprint = Blueprint::of(system);
            assert_eq!(blueprint.check(), Ok(()));
            let text = toml::to_string(&blueprint).unwrap();
            assert_eq!(text.contains("system ="), system != SystemName::Hhstf, "{text}");
            assert_eq!(toml::from_str::<Blueprint>(&text).unwrap(), blueprint);
            assert_eq!((blueprint.system(), system.name().parse()), (system, Ok(system)));
        }
    }

    #[test]
    fn an_ensemble_is_what_its_members_need_together() {
        let members = vec![Blueprint::default(), Blueprint::XgboostPerBehavior, Blueprint::Lstm(LstmShape::default())];
        let ensemble = Blueprint::Ensemble(members);
        assert_eq!(toml::from_str::<Blueprint>(&toml::to_string(&ensemble).unwrap()).unwrap(), ensemble);
        assert_eq!((ensemble.receptive_field(), ensemble.period_ticks(), ensemble.has_statistics()), (507, 128, true));
        assert!(!ensemble.runs_anywhere());
        // The half-rate middle of one may begin 127 ticks into the ring of the other's period.
        assert!(matches!(ensemble.check(), Err(ArchitectureError::Reach { got: 634 })));
        assert_eq!(Blueprint::Ensemble(vec![Blueprint::default(), Blueprint::XgboostPerBehavior]).check(), Ok(()));
        assert!(Blueprint::Ensemble(vec![Blueprint::default()]).check().is_err());
        let nested =
            Blueprint::Ensemble(vec![Blueprint::default(), Blueprint::Ensemble(vec![Blueprint::default(); 2])]);
        assert!(nested.check().is_err());
        assert!("ensemble".parse::<SystemName>().is_err(), "it is not trained");
    }

    #[test]
    fn an_unknown_system_and_an_unknown_size_are_named() {
        let error = |text: &str| toml::from_str::<Blueprint>(text).unwrap_err().to_string();
        assert!(error("system = \"gru\"").contains("got \"gru\""));
        assert!(error("system = \"lstm\"\nlayerz = 2").contains("layerz"));
        assert!(error("system = \"xgboost\"\nlayers = 2").contains("layers"));
        assert!(error("system = 3").contains("expected a name"));
        let partial = toml::from_str::<Blueprint>("system = \"lstm\"\nlayers = 1").unwrap();
        assert_eq!(partial, Blueprint::Lstm(LstmShape { layers: 1, ..LstmShape::default() }));
    }
}
