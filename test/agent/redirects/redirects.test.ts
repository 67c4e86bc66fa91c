import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { discover, type Discovery } from '../../../agent/discovery/discover.ts';
import type { TargetHealth } from '../../../agent/prometheus/api/client.ts';
import { withLearnedPaths, type LearnedPaths } from '../../../agent/redirects/learned-paths.ts';
import { placeOf, placeText, type Destination } from '../../../agent/redirects/place.ts';
import { createRedirects } from '../../../agent/redirects/redirects.ts';
import { createLog } from '../../../agent/shared/log.ts';

const MINUTE_MS = 60_000;
const REDIRECT = 'server returned HTTP status 307 Temporary Redirect';
const MISSING = 'server returned HTTP status 404 Not Found';

/** A process of one unit; `version` is its app's. */
function discovery(version: string): Discovery {
  const known = {
    app: { name: 'shop', pool: 'p', team: 't', annotations: {}, labels: {} },
    units: [{ id: 'u', name: 'u', process: 'web', status: 'started', version, internalIp: '10.0.0.1', hostPort: '' }],
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

interface Scene {
  /** What the unit answers at a place: how it fails, or undefined when it is up. */
  answers: (place: string) => string | undefined;
  destination: Destination;
  version: string;
  nowMs: number;
  /** When the agent asked, in minutes. */
  readonly asked: number[];
  readonly saved: number[];
  problems(): readonly string[];
  /** The place that Prometheus is reported. */
  place(): string;
}

/** Runs a scene for this many minutes; `each` is called before each look. */
async function play(
  scene: Partial<Scene>,
  minutes: number,
  each: (scene: Scene) => void = () => undefined,
): Promise<Scene> {
  const stop = new AbortController();
  let learned: LearnedPaths = new Map();
  const redirects = createRedirects({
    file: {
      load: () => Promise.resolve({ paths: new Map() }),
      save: (paths) => Promise.resolve(void state.saved.push(paths.length)),
    },
    client: {
      query: () => Promise.resolve(state.answers(state.place()) === undefined ? [] : [{ labels: {}, value: 1 }]),
      targets: () => Promise.resolve([health()]),
    },
    probe() {
      state.asked.push(Math.round(state.nowMs / MINUTE_MS));
      return Promise.resolve(state.destination);
    },
    clock: {
      nowMs: () => state.nowMs,
      wallMs: () => state.nowMs,
      random: () => 0,
      sleep(durationMs) {
        state.nowMs += durationMs;
        each(state);
        if (state.nowMs >= minutes * MINUTE_MS) stop.abort();
        return Promise.resolve();
      },
    },
    scrapeIntervalMs: () => 15_000,
    log: createLog('silent', []),
    discovered: () => discovery(state.version),
    learned: () => learned,
    onLearnt(paths) {
      learned = paths;
    },
  });
  const labels = (): Readonly<Record<string, string>> =>
    withLearnedPaths(discovery(state.version), learned).groups[0]?.labels ?? {};
  const health = (): TargetHealth => {
    const error = state.answers(state.place());
    const discovered = { __metrics_path__: '/metrics', ...labels(), __address__: '10.0.0.1:80' };
    const health = error === undefined ? 'up' : 'down';
    return { health, lastError: error ?? '', lastScrape: '', pool: 'tsuru-apps', discovered };
  };
  const state: Scene = {
    answers: () => undefined,
    destination: { kind: 'place', place: { path: '/metrics/', query: {} } },
    version: '1',
    nowMs: 0,
    asked: [],
    saved: [],
    problems: () => redirects.problemsOf('shop'),
    place: () => placeText(placeOf(labels())),
    ...scene,
  };
  state.place();
  await redirects.run(stop.signal);
  return state;
}

describe('the agent', () => {
  it('asks a process that redirects once, and never again while the learned path works', async () => {
    const scene = await play({ answers: (place) => (place === '/metrics' ? REDIRECT : undefined) }, 60);
    assert.deepEqual([scene.asked, scene.saved, scene.place(), scene.problems()], [[0], [1], '/metrics/', []]);
  });

  it('asks one that redirects elsewhere every ten minutes, and at once when its version changes', async () => {
    const destination: Destination = { kind: 'refused', why: 'it is elsewhere' };
    const scene = await play({ answers: () => REDIRECT, destination }, 25, (now) => {
      if (now.nowMs > 14 * MINUTE_MS) now.version = '2';
    });
    assert.deepEqual([scene.asked, scene.saved], [[0, 10, 14, 24], []]);
    assert.match(scene.problems().join(), /redirects \/metrics, which is not followed: it is elsewhere; set the path/);
  });

  it('learns a path again after a minute, then less and less often, when it was wrong', async () => {
    const scene = await play({ answers: (place) => (place === '/metrics' ? REDIRECT : MISSING) }, 40);
    assert.deepEqual(scene.asked, [0, 1, 3, 7, 15, 25, 35]);
    assert.match(scene.problems().join(), /\/metrics\/ fails: server returned HTTP status 404/);
  });

  it('reports no problem once the process is up', async () => {
    const scene = await play({ answers: (place) => (place === '/metrics' ? REDIRECT : MISSING) }, 5, (now) => {
      if (now.nowMs > 4 * MINUTE_MS) now.answers = () => undefined;
    });
    assert.deepEqual(scene.problems(), []);
  });

  it('asks nothing of targets that are up, or down for another reason', async () => {
    for (const answer of [undefined, 'connection refused', MISSING])
      assert.deepEqual((await play({ answers: () => answer }, 30)).asked, []);
  });
});
