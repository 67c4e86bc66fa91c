import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { PrometheusClient, TargetHealth } from '../../../../agent/prometheus/api/client.ts';
import { createProver, type Prover } from '../../../../agent/prometheus/sync/sync.ts';
import type { TargetGroup } from '../../../../agent/discovery/target-group.ts';
import { createManualClock, type ManualClock } from '../../../support/manual-clock.ts';

const FILE = '/data/agent/targets/targets.json';
const GROUP: TargetGroup = { targets: ['10.0.0.1:8888'], labels: { __meta_tsuru_app: 'my-app' } };
const OTHER: TargetGroup = { targets: ['10.0.0.2:8888'], labels: { __meta_tsuru_app: 'other' } };

const UNREAD = 'dead: it has not read the target file for 45 s';

/** What Prometheus reports; what is undefined is not in its page. */
interface Told {
  /** The file's second that it has read. */
  readonly mtime?: number | undefined;
  readonly syncs?: number;
  readonly pool?: number;
  readonly start?: number;
  readonly watcherErrors?: number;
  readonly successful?: number;
}

function page(told: Told): string {
  const lines = [
    `prometheus_target_scrape_pool_sync_total{scrape_job="tsuru-apps"} ${told.syncs ?? 1}`,
    `prometheus_target_scrape_pool_targets{scrape_job="tsuru-apps"} ${told.pool ?? 1}`,
    `process_start_time_seconds ${told.start ?? 1}`,
    `prometheus_sd_file_watcher_errors_total ${told.watcherErrors ?? 0}`,
    `prometheus_config_last_reload_successful ${told.successful ?? 1}`,
  ];
  if (told.mtime !== undefined) lines.push(`prometheus_sd_file_mtime_seconds{filename="${FILE}"} ${told.mtime}`);
  return `${lines.join('\n')}\n`;
}

function health(address: string, app: string): TargetHealth {
  return {
    health: 'up',
    lastError: '',
    lastScrape: '',
    pool: 'tsuru-apps',
    discovered: {
      __address__: address,
      __scheme__: 'http',
      __metrics_path__: '/metrics',
      __scrape_interval__: '15s',
      __scrape_timeout__: '10s',
      __meta_tsuru_app: app,
      job: 'tsuru-apps',
    },
  };
}

interface Scene extends AsyncDisposable {
  readonly prover: Prover;
  readonly clock: ManualClock;
  /** What Prometheus reports from now on; an error is thrown. */
  readonly tell: (told: Told | Error) => void;
  readonly setTargets: (targets: readonly TargetHealth[] | Error) => void;
  /** The events without those of the status. */
  readonly events: string[];
  /** The statuses, as `in sync`, or the problem, or `not yet`. */
  readonly statuses: string[];
  /** When the file was put in place again. */
  readonly nudges: readonly number[];
  readonly compared: () => number;
  readonly write: (seconds: number, ...groups: readonly TargetGroup[]) => void;
}

/** A prover that waits for its first version. */
async function start(): Promise<Scene> {
  const clock = createManualClock();
  const stop = new AbortController();
  const events: string[] = [];
  const statuses: string[] = [];
  const nudges: number[] = [];
  let told: Told | Error = {};
  let targets: readonly TargetHealth[] | Error = [];
  let compared = 0;
  const unused = (): Promise<never> => Promise.reject(new Error('not part of a proof'));
  const client: PrometheusClient = {
    metrics: () => (told instanceof Error ? Promise.reject(told) : Promise.resolve(page(told))),
    targets() {
      compared += 1;
      return targets instanceof Error ? Promise.reject(targets) : Promise.resolve(targets);
    },
    close: () => Promise.resolve(),
    ready: unused,
    reload: unused,
    version: unused,
    rules: unused,
    alertmanagers: unused,
    query: unused,
    flags: unused,
  };
  const prover = createProver({
    client,
    targetsFile: FILE,
    scrape: () => ({ intervalMs: 15_000, timeoutMs: 10_000 }),
    clock,
    onDead: () => events.push('revived'),
    onUnproven: () => nudges.push(clock.nowMs()),
    report(event) {
      if (event.kind === 'sync') statuses.push(event.status.inSync ? 'in sync' : (event.status.problem ?? 'not yet'));
      else if (event.kind === 'loaded') events.push(`loaded after ${event.durationMs}`);
      else events.push(`dead: ${event.reason}`);
    },
  });
  const running = prover.run(stop.signal);
  await turn();
  return {
    prover,
    clock,
    events,
    statuses,
    nudges,
    compared: () => compared,
    tell(next) {
      told = next;
    },
    setTargets(next) {
      targets = next;
    },
    write(seconds, ...groups) {
      prover.written({ seconds, groups, seenAtMs: clock.nowMs() });
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

describe('the prover', () => {
  it('reports nothing before a version was written', async () => {
    await using scene = await start();
    await scene.clock.forward(60_000, 10_000);
    assert.equal(scene.prover.status(), undefined);
    assert.deepEqual(scene.statuses, []);
  });

  it('counts a version as loaded only after two syncs that follow its read, and reports that once', async () => {
    await using scene = await start();
    scene.setTargets(new Error('cannot be compared'));
    scene.tell({ mtime: 4, syncs: 7 });
    scene.write(5, GROUP);
    await scene.clock.forward(500, 250);
    assert.equal(scene.prover.status()?.inSync, false);
    scene.tell({ mtime: 5, syncs: 7 });
    await scene.clock.forward(250, 250);
    scene.tell({ mtime: 5, syncs: 8 });
    await scene.clock.forward(250, 250);
    assert.equal(scene.prover.status()?.inSync, false);
    scene.tell({ mtime: 5, syncs: 9 });
    await scene.clock.forward(250, 250);
    assert.equal(scene.prover.status()?.inSync, true);
    await scene.clock.forward(60_000, 10_000);
    assert.deepEqual(scene.events, ['loaded after 1250']);
    assert.deepEqual(scene.statuses, ['not yet', 'in sync']);
  });

  it('proves the newest version, and counts from the oldest change that is not loaded', async () => {
    await using scene = await start();
    scene.setTargets(new Error('cannot be compared'));
    scene.write(5, GROUP);
    await scene.clock.forward(1_000, 250);
    scene.write(6, GROUP, OTHER);
    scene.tell({ mtime: 5, syncs: 99, pool: 1 });
    await scene.clock.forward(1_000, 250);
    assert.equal(scene.prover.status()?.inSync, false, 'the version before proves nothing');
    scene.tell({ mtime: 6, syncs: 99, pool: 2 });
    await scene.clock.forward(250, 250);
    scene.tell({ mtime: 6, syncs: 101, pool: 2 });
    await scene.clock.forward(250, 250);
    assert.deepEqual(scene.events, ['loaded after 2500']);
  });

  it('compares the targets one by one when counters prove nothing for a second, and not more often', async () => {
    await using scene = await start();
    scene.setTargets([health('10.0.0.2:8888', 'other')]);
    scene.tell({ mtime: 5, syncs: 7 });
    scene.write(5, GROUP);
    await scene.clock.forward(1_000, 250);
    assert.equal(scene.compared(), 0);
    await scene.clock.forward(1_000, 250);
    assert.equal(scene.compared(), 1);
    assert.equal(scene.prover.status()?.inSync, false, 'as many targets are not the same ones');
    scene.setTargets([health('10.0.0.1:8888', 'my-app'), { ...health('x', 'y'), discovered: { __address__: 'x' } }]);
    await scene.clock.forward(1_000, 250);
    assert.equal(scene.compared(), 2);
    assert.equal(scene.prover.status()?.inSync, true);
  });

  it('reports a version that is not read after 15 s, once, and its end', async () => {
    await using scene = await start();
    scene.tell({ mtime: 4 });
    scene.write(5, GROUP);
    await scene.clock.forward(14_750, 250);
    assert.deepEqual(scene.statuses, ['not yet']);
    await scene.clock.forward(30_000, 250);
    assert.deepEqual(scene.statuses, [
      'not yet',
      'Prometheus has not loaded the last targets: it has not read the file',
    ]);
    scene.setTargets([health('10.0.0.1:8888', 'my-app')]);
    scene.tell({ mtime: 5 });
    await scene.clock.forward(4_000, 250);
    assert.equal(scene.statuses.at(-1), 'in sync');
    assert.equal(scene.statuses.filter((status) => status === 'in sync').length, 1);
  });

  it('reports a version that is read, but not proven to be applied, only after 75 s: two reads of its own may take that long', async () => {
    await using scene = await start();
    scene.setTargets(new Error('cannot be compared'));
    scene.tell({ mtime: 5, syncs: 7 });
    scene.write(5, GROUP);
    await scene.clock.forward(74_000, 250);
    assert.deepEqual(scene.statuses, ['not yet']);
    await scene.clock.forward(3_000, 250);
    assert.deepEqual(scene.statuses, [
      'not yet',
      'Prometheus has not loaded the last targets: it has read the file, but not applied it',
    ]);
  });

  it('has the file put in place again after 15 s, and every 15 s, while a version is read but not proven', async () => {
    await using scene = await start();
    scene.setTargets(new Error('cannot be compared'));
    scene.tell({ mtime: 4, syncs: 7 });
    scene.write(5, GROUP);
    await scene.clock.forward(20_000, 250);
    assert.deepEqual(scene.nudges, [], 'it is not read');
    scene.tell({ mtime: 5, syncs: 8 });
    await scene.clock.forward(34_000, 250);
    assert.equal(scene.nudges.length, 3);
    const [first = 0, second = 0] = scene.nudges;
    assert.ok(second - first >= 15_000);
    scene.tell({ mtime: 5, syncs: 10 });
    await scene.clock.forward(60_000, 250);
    assert.equal(scene.prover.status()?.inSync, true);
    assert.equal(scene.nudges.length, 3);
  });

  it('revives a discovery that stopped reading, each time anew, and not while versions are read', async () => {
    await using scene = await start();
    scene.setTargets(new Error('cannot be compared'));
    const stopsAt = async (mtime: number): Promise<void> => {
      scene.tell({ mtime, syncs: 7 });
      scene.write(mtime + 1, GROUP);
      await scene.clock.forward(44_000, 250);
    };
    const reads = async (mtime: number): Promise<void> => {
      for (const syncs of [7, 9]) {
        scene.tell({ mtime, syncs });
        await scene.clock.forward(4_000, 250);
      }
      assert.equal(scene.prover.status()?.inSync, true);
      scene.events.length = 0;
    };
    await stopsAt(4);
    assert.deepEqual(scene.events, []);
    await scene.clock.forward(4_000, 250);
    assert.deepEqual(scene.events, [UNREAD, 'revived']);
    await reads(5);
    await stopsAt(5);
    await scene.clock.forward(4_000, 250);
    assert.deepEqual(scene.events, [UNREAD, 'revived']);
    await reads(6);
    await scene.clock.forward(300_000, 1_000);
    assert.deepEqual(scene.events, []);
  });

  it('does not revive a discovery that reads, but never the last of versions that follow each other fast', async () => {
    await using scene = await start();
    scene.setTargets(new Error('cannot be compared'));
    for (let seconds = 5; seconds < 65; seconds += 1) {
      scene.tell({ mtime: seconds - 1, syncs: 7 });
      scene.write(seconds, GROUP);
      await scene.clock.forward(1_000, 250);
    }
    assert.deepEqual(scene.events, []);
    await scene.clock.forward(50_000, 250);
    assert.deepEqual(scene.events, [UNREAD, 'revived']);
  });

  it('does not compare more than 1,000 targets one by one, as the answer costs Prometheus too much', async () => {
    const groups = Array.from({ length: 1_001 }, (_, index): TargetGroup => ({
      ...GROUP,
      targets: [`10.0.0.1:${index}`],
    }));
    await using scene = await start();
    scene.tell({ mtime: 5, syncs: 7 });
    scene.write(5, ...groups);
    await scene.clock.forward(10_000, 250);
    assert.equal(scene.compared(), 0);
    scene.tell({ mtime: 6, syncs: 7 });
    scene.write(6, ...groups.slice(1));
    await scene.clock.forward(3_000, 250);
    assert.ok(scene.compared() > 0);
  });

  it('knows nothing of a Prometheus that does not answer, and reports that after 15 s', async () => {
    await using scene = await start();
    scene.setTargets([health('10.0.0.1:8888', 'my-app')]);
    scene.tell({ mtime: 5 });
    scene.write(5, GROUP);
    await scene.clock.forward(3_000, 250);
    assert.equal(scene.prover.status()?.inSync, true);
    scene.tell(new Error('connection refused'));
    await scene.clock.forward(12_000, 250);
    assert.equal(scene.statuses.at(-1), 'not yet', 'one that is restarted is no trouble yet');
    await scene.clock.forward(30_000, 250);
    assert.deepEqual(scene.statuses, [
      'not yet',
      'in sync',
      'not yet',
      'Prometheus does not answer: connection refused',
    ]);
    scene.tell({ mtime: 5, start: 2 });
    await scene.clock.forward(6_000, 250);
    assert.equal(scene.statuses.at(-1), 'in sync');
    assert.equal(scene.events.length, 1, 'nothing changed, so nothing was loaded');
  });

  it('is unsure from the moment the file is about to be replaced, and observes again when it was not', async () => {
    await using scene = await start();
    scene.setTargets([health('10.0.0.1:8888', 'my-app')]);
    scene.tell({ mtime: 5 });
    scene.write(5, GROUP);
    await scene.clock.forward(3_000, 250);
    scene.prover.replacing();
    assert.equal(scene.prover.status()?.inSync, false);
    await scene.clock.forward(20_000, 250);
    assert.equal(scene.prover.status()?.inSync, false, 'a look meanwhile says nothing');
    scene.prover.lookAgain();
    await scene.clock.forward(250, 250);
    assert.equal(scene.prover.status()?.inSync, true);
  });

  it('revives a discovery that cannot watch at once, and once for each death', async () => {
    await using scene = await start();
    scene.tell({ watcherErrors: 1 });
    scene.setTargets(new Error('cannot be compared'));
    scene.write(5, GROUP);
    await scene.clock.forward(40_000, 250);
    assert.deepEqual(scene.events, ['dead: it cannot watch files (inotify was exhausted)', 'revived']);
  });

  it('waits 15 s, and then twice that, before it revives a discovery that dies again', async () => {
    await using scene = await start();
    scene.setTargets(new Error('cannot be compared'));
    scene.tell({ watcherErrors: 1 });
    scene.write(5, GROUP);
    await turn();
    await scene.clock.forward(250, 250);
    const revived = (): number => scene.events.filter((event) => event === 'revived').length;
    scene.tell({ watcherErrors: 2 });
    await scene.clock.forward(12_000, 250);
    assert.equal(revived(), 1);
    await scene.clock.forward(6_000, 250);
    assert.equal(revived(), 2);
    scene.tell({ watcherErrors: 3 });
    await scene.clock.forward(26_000, 250);
    assert.equal(revived(), 2);
    await scene.clock.forward(6_000, 250);
    assert.equal(revived(), 3);
  });

  it('revives a discovery that has read nothing for 45 s, but not one of a Prometheus without its configuration', async () => {
    await using scene = await start();
    scene.setTargets(new Error('cannot be compared'));
    scene.tell({ successful: 0 });
    scene.write(5, GROUP);
    await scene.clock.forward(120_000, 250);
    assert.deepEqual(scene.events, []);
    scene.tell({});
    await scene.clock.forward(44_000, 250);
    assert.deepEqual(scene.events, []);
    await scene.clock.forward(6_000, 250);
    assert.deepEqual(scene.events, [UNREAD, 'revived']);
  });
});
