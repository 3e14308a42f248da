/// The errors that the libraries throw. Libraries never print and never exit; the programs in apps/
/// catch these, print one sentence and choose the exit code.
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

/// A usage or configuration mistake of the user: exit code 2.
class ConfigError : public Error {
 public:
  using Error::Error;
};

/// A file that is damaged, hostile or of the wrong kind: exit code 3. The text names file and
/// place.
class FileError : public Error {
 public:
  using Error::Error;
};

/// The asked-for target can't be met: exit code 4.
class TargetError : public Error {
 public:
  using Error::Error;
};

/// Training, or a network itself, produced a value that is not finite: exit code 5.
class DivergedError : public Error {
 public:
  using Error::Error;
};

/// A device that this build or this machine does not have: exit code 1.
class DeviceError : public Error {
 public:
  using Error::Error;
};

}  // namespace trifold
