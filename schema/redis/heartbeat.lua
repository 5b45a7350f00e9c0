-- Renews one node's membership and answers with every node that lives: one round trip.
--
-- KEYS[1]  set     ids of nodes that live, or lately did
-- KEYS[2]  text    this node's own key
-- KEYS[3]  hash    node by shard, of shards that operators moved by hand
-- ARGV[1]  text    this node's id
-- ARGV[2]  text    this node's incarnation, 16 hexadecimal digits
-- ARGV[3]  JSON    what this node tells of itself; its field "incarnation" equals ARGV[2]
-- ARGV[4]  integer milliseconds that the key lives without being renewed
-- ARGV[5]  text    what stands before the id in a node's key (same hash slot as KEYS)
-- Result   array   "renewed", "missing" (the key had expired or never was) or "taken" (another
--                  incarnation holds it; nothing was written), then id and JSON of each node alive,
--                  then "pin:<shard>" and the id of its node of each shard moved by hand

local outcome = 'missing'
local held = redis.call('GET', KEYS[2])
if held then
  local readable, facts = pcall(cjson.decode, held)
  if readable and type(facts) == 'table' and facts.incarnation ~= ARGV[2] then
    outcome = 'taken'
  else
    outcome = 'renewed'
  end
end

if outcome ~= 'taken' then
  redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
  redis.call('SADD', KEYS[1], ARGV[1])
end

local answer = { outcome }
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local facts = redis.call('GET', ARGV[5] .. id)
  if facts then
    answer[#answer + 1] = id
    answer[#answer + 1] = facts
  else
    redis.call('SREM', KEYS[1], id)
  end
end
local pins = redis.call('HGETALL', KEYS[3])
for at = 1, #pins, 2 do
  answer[#answer + 1] = 'pin:' .. pins[at]
  answer[#answer + 1] = pins[at + 1]
end
return answer
