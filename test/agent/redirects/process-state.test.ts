import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { discover, type Discovery } from '../../../agent/discovery/discover.ts';
import type { TargetHealth } from '../../../agent/prometheus/api/client.ts';
import { processStates, type ProcessState } from '../../../agent/redirects/process-state.ts';
import {
  keyOf,
  withLearnedPaths,
  type LearnedPath,
  type LearnedPaths,
} from '../../../agent/redirects/learned-paths.ts';

const REDIRECT = 'server returned HTTP status 307 Temporary Redirect';
const KEY = keyOf('shop', 'web');

/** An app with a process of two units. */
function discovery(annotations: Readonly<Record<string, string>> = {}): Discovery {
  const unit = (name: string, internalIp: string) => ({
    ...{ id: name, name, process: 'web', status: 'started', version: '7', internalIp, hostPort: '' },
  });
  const known = {
    app: { name: 'shop', pool: 'p', team: 't', annotations, labels: {} },
    units: [unit('u1', '10.0.0.1'), unit('u2', '10.0.0.2')],
    details: {
      platform: '',
      ports: [{ process: 'web', protocol: 'TCP', targetPort: 80, version: '' }],
      processes: {},
    },
  };
  return discover(new Map([['shop', known]]), {
    scrape: { intervalMs: 15_000, timeoutMs: 10_000 },
    targetsPerApp: 10,
  });
}

function learned(path: string, from = '/metrics', query: Readonly<Record<string, string>> = {}): LearnedPaths {
  const one: LearnedPath = { app: 'shop', process: 'web', from, to: { path, query }, asked: [from] };
  return new Map([[KEY, one]]);
}

/** What Prometheus reports of both units, where it asks for `path`. */
function told(path: string, ...errors: readonly (string | undefined)[]): TargetHealth[] {
  return errors.map((error, index) => ({
    health: error === undefined ? 'up' : error === '' ? 'unknown' : 'down',
    lastError: error ?? '',
    lastScrape: '',
    pool: 'tsuru-apps',
    discovered: {
      __address__: `10.0.0.${index + 1}:80`,
      __metrics_path__: path.split('?')[0],
      __meta_tsuru_app: 'shop',
      __meta_tsuru_unit: `u${index + 1}`,
      ...Object.fromEntries(
        [...new URLSearchParams(path.split('?')[1])].map(([name, value]) => [`__param_${name}`, value]),
      ),
    },
  }));
}

function faresOf(of: Discovery, paths: LearnedPaths, health: readonly TargetHealth[]): ProcessState['outcome'] {
  const [state, ...others] = processStates(of, paths, health);
  assert.ok(state !== undefined && others.length === 0);
  assert.deepEqual([state.key, state.app, state.process, state.version], [KEY, 'shop', 'web', '7']);
  return state.outcome;
}

describe('how a process outcome', () => {
  const none: LearnedPaths = new Map();
  const table: readonly (readonly [
    what: string,
    paths: LearnedPaths,
    health: TargetHealth[],
    kind: ProcessState['outcome']['kind'],
  ])[] = [
    ['both redirect', none, told('/metrics', REDIRECT, REDIRECT), 'redirects'],
    ['one redirects, one is refused', none, told('/metrics', 'connection refused', REDIRECT), 'redirects'],
    ['one redirects, one is up', none, told('/metrics', REDIRECT, undefined), 'up'],
    ['one redirects, of one nothing is known', none, told('/metrics', REDIRECT, ''), 'redirects'],
    ['both are down for another reason', none, told('/metrics', 'connection refused', 'timeout'), 'other'],
    [
      'both answer 404 without a learned path',
      none,
      told('/metrics', 'server returned HTTP status 404 Not Found'),
      'other',
    ],
    ['nothing is told', none, [], 'other'],
    ['the path of the job redirects', none, told('/of-the-job', REDIRECT), 'redirects'],
    ['what is told is of the path before', learned('/metrics/'), told('/metrics', REDIRECT, REDIRECT), 'other'],
    [
      'what is told is without the learned query',
      learned('/metrics', '/metrics', { a: 'b' }),
      told('/metrics', REDIRECT),
      'other',
    ],
    ['the job adds a parameter', learned('/metrics/'), told('/metrics/?c=d', REDIRECT), 'redirects'],
    ['the learned path redirects', learned('/metrics/'), told('/metrics/', REDIRECT), 'redirects'],
    [
      'the learned path works',
      learned('/metrics/'),
      told('/metrics/', undefined, 'server returned HTTP status 404'),
      'up',
    ],
    [
      'the learned path is missing',
      learned('/gone'),
      told('/gone', 'server returned HTTP status 404 Not Found'),
      'wrong',
    ],
    ['the learned path is a page', learned('/login'), told('/login', 'expected a valid start token, got "<"'), 'wrong'],
    [
      'the learned path is a page in Prometheus 2',
      learned('/login'),
      told('/login', '"INVALID" is not a valid start token'),
      'wrong',
    ],
    [
      'the learned path has another type',
      learned('/login'),
      told('/login', 'unsupported Content-Type "text/html"'),
      'wrong',
    ],
    ...[
      '401 Unauthorized',
      '403 Forbidden',
      '408 Request Timeout',
      '429 Too Many Requests',
      '500 Internal',
      '503 Busy',
    ].map(
      (status) =>
        [
          `the learned path answers ${status}`,
          learned('/a'),
          told('/a', `server returned HTTP status ${status}`),
          'other',
        ] as const,
    ),
    ['the learned path exposes too much', learned('/a'), told('/a', 'sample limit exceeded'), 'other'],
    ['a path was learned for another annotation', learned('/a', '/stats'), told('/metrics', REDIRECT), 'redirects'],
  ];
  for (const [what, paths, health, kind] of table) {
    it(`is ${kind} when ${what}`, () => {
      assert.equal(faresOf(discovery(), paths, health).kind, kind);
    });
  }

  it('is reported with the URL that Prometheus asked', () => {
    const outcome = faresOf(discovery({ 'prometheus.io/path': '/stats?a=b' }), new Map(), told('/stats?a=b', REDIRECT));
    assert.ok(outcome.kind === 'redirects');
    assert.equal(outcome.url.href, 'http://10.0.0.1/stats?a=b');
    assert.equal(outcome.place, '/stats?a=b');
  });
});

describe('a learned path', () => {
  it('is the path of all targets of its process, with its parameters in place of the annotated ones', () => {
    const annotated = discovery({ 'prometheus.io/path': '/stats?old=1' });
    const { groups, apps } = withLearnedPaths(annotated, learned('/stats/', '/stats?old=1', { format: 'text' }));
    assert.equal(groups.length, 2);
    for (const { labels } of groups) {
      assert.deepEqual(
        [labels['__metrics_path__'], labels['__param_format'], labels['__param_old']],
        ['/stats/', 'text', undefined],
      );
    }
    assert.deepEqual(
      apps[0]?.texts,
      groups.map((group) => JSON.stringify(group)),
    );
  });

  it('changes nothing where it was learned for another path, process or app', () => {
    const plain = discovery();
    const others: LearnedPaths[] = [
      new Map(),
      learned('/a', '/other'),
      new Map([
        [
          keyOf('shop', 'worker'),
          { app: 'shop', process: 'worker', from: '/metrics', to: { path: '/a', query: {} }, asked: [] },
        ],
      ]),
    ];
    for (const paths of others) assert.equal(withLearnedPaths(plain, paths), plain);
  });
});
