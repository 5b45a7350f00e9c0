-- Ends one node's membership, unless another incarnation has taken its place.
--
-- KEYS[1]  set     ids of nodes that live, or lately did
-- KEYS[2]  text    this node's own key
-- ARGV[1]  text    this node's id
-- ARGV[2]  text    this node's incarnation, 16 hexadecimal digits
-- Result   integer 1 when the key was deleted, 0 when it was gone or another's

local held = redis.call('GET', KEYS[2])
if not held then
  redis.call('SREM', KEYS[1], ARGV[1])
  return 0
end
local readable, facts = pcall(cjson.decode, held)
if readable and type(facts) == 'table' and facts.incarnation ~= ARGV[2] then
  return 0
end
redis.call('DEL', KEYS[2])
redis.call('SREM', KEYS[1], ARGV[1])
return 1
