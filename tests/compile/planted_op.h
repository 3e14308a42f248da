/// An op that is planted in the list of nn/ops.h, as a part of namespace nn there. A macro leaves a
/// part of its description out.
struct Planted {
#ifndef WITHOUT_NAME
  static const char* name() { return "planted"; }
#endif
#ifndef WITHOUT_ARITY
  static constexpr Arity arity{1, 1};
#endif
#ifdef MAKES_CHANNELS
  static constexpr ChannelFlow channel_flow = ChannelFlow::made;
#elif !defined(WITHOUT_COUPLING)
  static constexpr ChannelFlow channel_flow = ChannelFlow::passed;
#endif
#ifndef WITHOUT_VALIDITY
  static bool is_valid() { return true; }
#endif
#ifndef WITHOUT_JSON
  static void attributes(auto&, auto&&) {}
#endif
#ifndef WITHOUT_CHANNELS
  static std::int64_t output_channels(InputChannels in) { return common_channels(in); }
#endif
#ifndef WITHOUT_EXTENT
  static Extent output_extent(InputExtents in, std::int64_t c) { return common_extent(in, c); }
#endif
#ifndef WITHOUT_PARAMETERS
  static OpParameters parameters(std::int64_t) { return {}; }
#endif
#ifndef WITHOUT_COST
  static std::int64_t macs(const Extent&, const Extent&) { return 0; }
#endif
#ifndef WITHOUT_EQUALITY
  bool operator==(const Planted&) const = default;
#endif
};
