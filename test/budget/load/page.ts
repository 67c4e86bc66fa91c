/** A source of chance that is the same each time (xorshift32). */
function createChance(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** How often of ten a series is a counter, a gauge, or constant: about what an app with histograms exposes. */
const COUNTERS_OF_TEN = 5;
const GAUGES_OF_TEN = 7;
/** Series of one metric, as the buckets and paths of a request histogram. */
const SERIES_PER_METRIC = 50;
const BUCKETS = 10;

/**
 * A page of metrics with this many series, again at each call: half of them counters that grow, a fifth gauges with values that compress
 * badly, the rest constant. Deterministic, so that two Prometheus measured get the same.
 */
export function createPage(seed: number): (series: number) => string {
  const chance = createChance(seed);
  const heads: string[] = [];
  const values: number[] = [];
  return (series) => {
    while (heads.length < series) {
      heads.push(headOf(heads.length));
      values.push(0);
    }
    const lines: string[] = [];
    for (let index = 0; index < series; index += 1) {
      const kind = index % 10;
      let value = values[index] ?? 0;
      if (kind < COUNTERS_OF_TEN) value += Math.floor(chance() * 100);
      else if (kind < GAUGES_OF_TEN) value = Math.round(chance() * 1e6) / 1e3;
      values[index] = value;
      lines.push(`${heads[index] ?? ''}${value}`);
    }
    lines.push('');
    return lines.join('\n');
  };
}

function headOf(index: number): string {
  const metric = Math.floor(index / SERIES_PER_METRIC);
  const path = Math.floor((index % SERIES_PER_METRIC) / BUCKETS);
  return `http_request_duration_seconds_${metric}_bucket{method="GET",code="200",path="/api/v1/resource-${path}",le="${index % BUCKETS}"} `;
}
