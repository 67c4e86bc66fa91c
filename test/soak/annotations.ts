/**
 * The annotations that are set, each with what it means according to agent/README.md; undefined is nonsense, which must be ignored. A table and
 * not a parser, so that it is right at a glance.
 */
export const MEANINGS: Readonly<Record<string, ReadonlyMap<string, string | undefined>>> = {
  'prometheus.io/scrape': new Map([
    ['true', 'true'],
    ['false', 'false'],
    ['False', 'false'],
    ['never', undefined],
  ]),
  'prometheus.io/port': new Map([
    ['9100', '9100'],
    ['7777', '7777'],
    [' 9200 ', '9200'],
    ['0', undefined],
    ['65536', undefined],
    ['http', undefined],
  ]),
  'prometheus.io/path': new Map([
    ['/metrics', '/metrics'],
    ['/stats', '/stats'],
    ['stats/all', '/stats/all'],
    ['/stats?format=text', '/stats?format=text'],
    ['http://elsewhere/metrics', undefined],
    ['//elsewhere/metrics', undefined],
    ['/two words', undefined],
  ]),
  'prometheus.io/scheme': new Map([
    ['https', 'https'],
    ['HTTP', 'http'],
    ['ftp', undefined],
  ]),
  'prometheus.io/interval': new Map([
    ['2s', '2s'],
    ['90s', '1m30s'],
    ['500ms', undefined],
    ['2h', undefined],
    ['often', undefined],
  ]),
  'prometheus.io/timeout': new Map([
    ['1s', '1s'],
    ['soon', undefined],
  ]),
};
