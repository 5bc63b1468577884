-- What the sampler looks at, at one instant. KEYS outbound, events, parked, parked-due → their lengths
return {
  redis.call('XLEN', KEYS[1]), redis.call('XLEN', KEYS[2]), redis.call('HLEN', KEYS[3]), redis.call('ZCARD', KEYS[4])
}
