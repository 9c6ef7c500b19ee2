// How many tasks end a second: the last hour as the service counted it, and from then on what each look shows.
import { get } from "./api.js";

const HOUR_MS = 3_600_000;
const STALE_MS = 90_000;
let points = [];

const isStale = (now) => !points.length || now - points.at(-1).at > STALE_MS;

// A point stands at the end of its minute. The service's clock may go before this one, or behind.
async function pastHour(signal) {
  const { data, step } = await get("/stats/throughput", {}, signal);
  return data.map(({ since, rate }) => ({ at: Date.parse(since) + step * 1_000, value: rate }));
}

// [{at, value}] in order of time, the rate of `queues` as the last, unless the service does not know it.
export async function throughput(queues, signal) {
  const now = Date.now();
  if (isStale(now)) points = await pastHour(signal);
  const known = queues.filter((queue) => queue.throughput !== null);
  const latest = known.length ? [{ at: now, value: known.reduce((sum, queue) => sum + queue.throughput, 0) }] : [];
  points = [...points, ...latest].filter(({ at }) => at > now - HOUR_MS).sort((one, other) => one.at - other.at);
  return points;
}
