/// Warp operations: lanes meet, exchange what they brought, and part.
#include <cstring>

#include "kernels/simt/block.h"
#include "kernels/simt/report.h"

namespace simt {

Meeting& Block::meet(WarpOperation operation, unsigned mask, const void* data, std::size_t bytes,
                     Site site, void (*complete)(Meeting&)) {
  Thread& t = *running_;
  Warp& w = warp();
  t.site = site;
  t.mask = mask;
  t.state = State::in_warp_operation;
  const auto refuse = [&](const std::string& what) {
    fail(Fault::warp_divergence,
         text(what, " at ", site.file, ":", site.line, where_threads_are()));
  };
  if ((mask >> t.lane & 1) == 0) refuse("the calling lane is not in its own mask");
  if ((mask & ~w.live) != 0) {
    refuse(text("the mask 0x", std::hex, mask, " names lanes 0x", mask & ~w.live, std::dec,
                " that have exited or never existed"));
  }
  Meeting *meeting = nullptr, *spare = nullptr;
  for (auto& m : w.meetings) {
    if (m->arrived == 0) {
      spare = m.get();
    } else if (!m->complete && m->mask == mask) {
      meeting = m.get();
    } else if (!m->complete && (m->mask & mask) != 0) {
      refuse(text("the mask 0x", std::hex, mask, " overlaps the mask 0x", m->mask, std::dec,
                  " of lanes that wait"));
    }
  }
  if (meeting == nullptr) {
    if (spare == nullptr) {
      w.meetings.push_back(std::make_unique<Meeting>());
      spare = w.meetings.back().get();
    }
    meeting = spare;
    meeting->mask = mask;
    meeting->operation = operation;
    meeting->site = site;
    meeting->complete = false;
  } else if (meeting->operation != operation ||
             (settings().strict && (meeting->site.line != site.line ||
                                    std::strcmp(meeting->site.file, site.file) != 0))) {
    refuse("lanes of one warp meet in different operations");
  }
  if (bytes > 0) std::memcpy(meeting->slot[t.lane], data, bytes);
  meeting->arrived |= 1u << t.lane;
  if (meeting->arrived != mask) {
    t.fiber.suspend();
    return *meeting;
  }
  meeting->complete = true;
  meeting->readers = static_cast<unsigned>(__builtin_popcount(mask));
  if (operation == WarpOperation::sync && mask == w.live) ++w.interval;
  if (complete != nullptr) complete(*meeting);
  waking_.clear();
  for (unsigned lane = 0; lane < 32; ++lane) {
    if ((mask >> lane & 1) != 0) waking_.push_back(t.warp * 32 + lane);
  }
  make_ready(waking_);
  t.fiber.suspend();
  return *meeting;
}

void Block::leave(Meeting& meeting) {
  if (--meeting.readers == 0) meeting.arrived = 0;
}

namespace {

template <class T>
T left_by(const Meeting& meeting, unsigned lane) {
  T value;
  std::memcpy(&value, meeting.slot[lane], sizeof(T));
  return value;
}

/// Bit l is set if lane l is in the mask and holds(value of lane l).
template <class T, class Predicate>
unsigned lanes_where(const Meeting& meeting, Predicate holds) {
  unsigned lanes = 0;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if ((meeting.mask >> lane & 1) != 0 && holds(left_by<T>(meeting, lane))) lanes |= 1u << lane;
  }
  return lanes;
}

}  // namespace

void warp_sync(unsigned mask, Site site) {
  Block::leave(the_block().meet(WarpOperation::sync, mask, nullptr, 0, site));
}

void warp_shuffle(unsigned mask, unsigned source, void* value, std::size_t bytes, Site site) {
  Block& block = the_block();
  Meeting& meeting = block.meet(WarpOperation::shuffle, mask, value, bytes, site);
  if ((mask >> (source & 31) & 1) == 0) {
    block.fail(Fault::warp_divergence,
               text("a shuffle reads lane ", source, ", which is not in its mask, at ", site.file,
                    ":", site.line));
  }
  std::memcpy(value, meeting.slot[source & 31], bytes);
  Block::leave(meeting);
}

unsigned warp_vote(unsigned mask, bool predicate, Site site) {
  Meeting& meeting =
      the_block().meet(WarpOperation::vote, mask, &predicate, sizeof(predicate), site);
  const unsigned lanes = lanes_where<bool>(meeting, [](bool b) { return b; });
  Block::leave(meeting);
  return lanes;
}

unsigned warp_match(unsigned mask, std::uint64_t value, Site site) {
  Meeting& meeting = the_block().meet(WarpOperation::match, mask, &value, sizeof(value), site);
  const unsigned lanes =
      lanes_where<std::uint64_t>(meeting, [value](std::uint64_t v) { return v == value; });
  Block::leave(meeting);
  return lanes;
}

void warp_gather(WarpOperation operation, unsigned mask, const void* value, std::size_t bytes,
                 void* values, Site site) {
  if (operation == WarpOperation::reduce) require_capability(80, "redux.sync", site);
  Meeting& meeting = the_block().meet(operation, mask, value, bytes, site);
  for (unsigned lane = 0; lane < 32; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    std::memcpy(static_cast<char*>(values) + lane * bytes, meeting.slot[lane], bytes);
  }
  Block::leave(meeting);
}

void refuse_width(int width, Site site) {
  the_block().fail(Fault::undefined_behaviour, text("a shuffle has segments of ", width,
                                                    " lanes, which isn't a power of two up "
                                                    "to 32, at ",
                                                    site.file, ":", site.line));
}

unsigned live_lanes() { return the_block().warp().live; }

}  // namespace simt
