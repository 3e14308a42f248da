/// The errors that the libraries throw: what is wrong, in one sentence, without a flag of any program.
/// Libraries never print and never exit; the programs in apps/ catch these, add which flag helps,
/// print the sentence and choose the exit code.
#pragma once

#include <stdexcept>

namespace trifold {

/// Base of every error that this project throws on purpose.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A caller passed extents that do not fit together: a defect of the calling code.
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// A usage or configuration mistake of the user.
class ConfigError : public Error {
 public:
  using Error::Error;
};

/// A file that is damaged, hostile or of the wrong kind. The text names file and place.
class FileError : public Error {
 public:
  using Error::Error;
};

/// The asked-for target can't be met.
class TargetError : public Error {
 public:
  using Error::Error;
};

/// Training, or a network itself, produced a value that is not finite.
class DivergedError : public Error {
 public:
  using Error::Error;
};

/// A device that this build or this machine does not have, or that failed.
class DeviceError : public Error {
 public:
  using Error::Error;
};

/// A device's memory doesn't suffice.
class MemoryError : public DeviceError {
 public:
  using DeviceError::DeviceError;
};

}  // namespace trifold
