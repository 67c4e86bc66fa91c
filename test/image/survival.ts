// What an instance's container survives: each test breaks a real one, and looks for what was lost.
import assert from 'node:assert/strict';
import { readFile, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { temporaryTmpfs } from '../budget/tmpfs.ts';
import { freeAddress } from '../support/address.ts';
import { GATEWAY } from '../support/agent.ts';
import type { Program } from '../support/program.ts';
import { viewPrometheus, type PrometheusView } from '../support/prometheus.ts';
import { until } from '../support/until.ts';
import { startWorld, type World } from '../support/world.ts';
import { buildImages } from './images.ts';
import { agentEnvironment, childrenOf, createPods, type Pods } from './pods.ts';

/** The plan small of broker/plans.yaml. */
const MEMORY_BYTES = 1_000_000_000;
const VOLUME_BYTES = 256_000_000;
const UNITS = 3;
const BUILD_LIMIT_MS = 600_000;
const SLOW_LIMIT_MS = 180_000;
const MIB = 2 ** 20;
const USER_AND_PASSWORD = { user: GATEWAY.GATEWAY_USERNAME, password: GATEWAY.GATEWAY_PASSWORD };
/** A query that takes memory without any data: a subquery of this many points, of 16 bytes each. */
const POINTS = 2_500_000;
const LARGE_QUERY = `sum_over_time(vector(1)[${POINTS / 20}s:50ms])`;
/** What the memory limit leaves for that query: enough that Prometheus has become the largest process, which the kernel kills first. */
const LEFT_BYTES = 48 * MIB;

/** An instance whose app has three units, in a container on a volume that outlives it. */
interface Pod extends AsyncDisposable {
  readonly world: World;
  readonly volume: string;
  readonly prometheus: PrometheusView;
  readonly program: () => Program;
  /** Starts the container, the first time and again. */
  readonly run: () => Promise<void>;
  readonly name: string;
  readonly status: () => Promise<{ readonly problems: readonly string[] }>;
  untilScraped(): Promise<void>;
  /** The number here of its Prometheus' process, or of its agent's. */
  processOf(which: 'prometheus' | 'agent'): Promise<number>;
}

describe('an instance in its container', { timeout: BUILD_LIMIT_MS }, () => {
  let pods: Pods;
  before(
    async () => {
      pods = createPods(await buildImages(), `survival-test-${process.pid}`, MEMORY_BYTES);
    },
    { timeout: BUILD_LIMIT_MS },
  );
  after(() => pods.removeAll());

  async function startPod(name: string): Promise<Pod> {
    await using stack = new AsyncDisposableStack();
    const volume = stack.use(await temporaryTmpfs(VOLUME_BYTES)).path;
    const world = stack.use(await startWorld());
    await world.bindNew('my-app', UNITS);
    const address = freeAddress();
    const prometheus = viewPrometheus(`http://${address}:8888`, USER_AND_PASSWORD);
    let program: Program | undefined;
    const pod: Omit<Pod, keyof AsyncDisposable> = {
      ...{ world, volume, prometheus, name },
      program: () => {
        assert.ok(program);
        return program;
      },
      async run() {
        const environment = {
          ...agentEnvironment(address),
          ...{ TSURU_HOST: world.tsuru.url, TSURU_TOKEN: world.instance.token },
          ...{ AGENT_POLL_INTERVAL: '1s', AGENT_SCRAPE_INTERVAL: '1s', AGENT_SCRAPE_TIMEOUT: '1s' },
        };
        program = await pods.start(pods.images.agent, name, environment, [`--volume=${volume}:/prometheus`]);
      },
      async untilScraped() {
        await prometheus.untilTargets(
          'all units to be up',
          (all) => all.length === UNITS && all.every(({ health }) => health === 'up'),
          SLOW_LIMIT_MS,
        );
      },
      async status() {
        const response = await fetch(`http://${address}:9091/tsuru/status`);
        return (await response.json()) as { problems: string[] };
      },
      async processOf(which) {
        const [agent = 0] = await childrenOf(await pods.firstOf(name));
        if (which === 'agent') return agent;
        const [own] = await childrenOf(agent);
        assert.ok(own !== undefined, 'there is no Prometheus');
        assert.match(await readFile(`/proc/${own}/comm`, 'utf8'), /^prometheus/);
        return own;
      },
    };
    await pod.run();
    await pod.untilScraped();
    const all = stack.move();
    return {
      ...pod,
      async [Symbol.asyncDispose]() {
        await pods.removeAll();
        await all.disposeAsync();
      },
    };
  }

  /** When the oldest sample of an app is from: what was lost shows here. */
  async function oldestOf({ prometheus }: Pod): Promise<number> {
    return until('a sample', async () => {
      const found = await prometheus.query('min(min_over_time(timestamp(up{tsuru_app="my-app"})[1h:1s]))');
      return [...found.values()][0];
    });
  }

  it('goes on in the same container, with its data, after its Prometheus was killed', async () => {
    await using pod = await startPod('prometheus-killed');
    const oldest = await oldestOf(pod);
    const before = await pod.processOf('prometheus');
    process.kill(before, 'SIGKILL');
    await until('another Prometheus', async () => (await pod.processOf('prometheus')) !== before, SLOW_LIMIT_MS);
    await pod.untilScraped();
    assert.equal(await oldestOf(pod), oldest);
    assert.ok(!pod.program().exited);
  });

  for (const [what, end] of [
    [
      'its agent was killed, which ends the container',
      async (pod: Pod) => process.kill(await pod.processOf('agent'), 'SIGKILL'),
    ],
    [
      'all its processes were killed at once, as Kubernetes has cgroup v2 do when memory runs out',
      (pod: Pod) => pods.images.podman('kill', pods.nameOf(pod.name)),
    ],
  ] as const) {
    it(`scrapes the units of before, with its data, before Tsuru answers, when it starts again after ${what}`, async () => {
      await using pod = await startPod('restarted');
      const oldest = await oldestOf(pod);
      await end(pod);
      assert.equal(await pod.program().end, 137);
      const mend = pod.world.tsuru.faults.add({ kind: 'status', status: 503 });
      await pod.run();
      await pod.untilScraped();
      assert.equal(await oldestOf(pod), oldest);
      mend();
      await pod.world.addUnits('my-app', 1);
      await pod.prometheus.untilTargets('the new unit', (all) => all.length === UNITS + 1, SLOW_LIMIT_MS);
    });
  }

  it('ends with exit code 0 when it is stopped, and has its data and targets when it starts again', async () => {
    await using pod = await startPod('stopped');
    const oldest = await oldestOf(pod);
    await pods.images.podman('stop', pods.nameOf(pod.name));
    assert.equal(await pod.program().end, 0);
    await pod.run();
    await pod.untilScraped();
    assert.equal(await oldestOf(pod), oldest);
  });

  it('goes on with its data, and names the query, after a query reached the memory limit', async () => {
    await using pod = await startPod('memory');
    const oldest = await oldestOf(pod);
    const before = await pod.processOf('prometheus');
    const group = await memoryGroupOf(before);
    // The agent reads the limit at its start, and limits queries so that none reaches it: only a limit that comes later is reached.
    const limit = (await unreclaimableOf(group)) + LEFT_BYTES;
    await writeFile(join(group, 'memory.limit_in_bytes'), String(limit));
    await until('Prometheus to be killed', async () => {
      const query = (): Promise<unknown> => pod.prometheus.query(LARGE_QUERY).catch(() => undefined);
      await Promise.all([query(), query()]);
      return pod.program().lines.some((line) => line.includes('was killed'));
    });
    await writeFile(join(group, 'memory.limit_in_bytes'), String(MEMORY_BYTES));
    await pod.untilScraped();
    assert.equal(await oldestOf(pod), oldest);
    assert.notEqual(await pod.processOf('prometheus'), before);
    const { problems } = await pod.status();
    assert.ok(
      problems.some((problem) => problem.includes(LARGE_QUERY)),
      problems.join('\n'),
    );
  });

  it('starts on a volume that is full, scrapes, and says what was lost', async () => {
    await using pod = await startPod('full');
    await pods.images.podman('kill', pods.nameOf(pod.name));
    await pod.program().end;
    const { bavail, bsize } = await statfs(pod.volume);
    // As its log would have filled it: the newest segments.
    await writeFile(join(pod.volume, 'data', 'wal', '00000900'), Buffer.alloc(bavail * bsize));
    assert.equal((await statfs(pod.volume)).bavail, 0);
    await pod.run();
    await pod.untilScraped();
    const { problems } = await pod.status();
    assert.ok(
      problems.some((problem) => problem.includes('full')),
      problems.join('\n'),
    );
  });

  it('writes a log that stays far below the 100 MiB of a pod, whatever goes wrong for how long', async () => {
    await using pod = await startPod('log');
    await pod.world.tsuru.close();
    const from = pod.program().lines.length;
    await wait(LOG_WATCHED_MS);
    const bytes = pod.program().lines.slice(from).join('\n').length;
    const aMonth = (bytes * MONTH_MS) / LOG_WATCHED_MS;
    assert.ok(
      aMonth < 50 * MIB,
      `${bytes} bytes in ${LOG_WATCHED_MS / 1000} s would be ${aMonth / MIB} MiB in a month`,
    );
  });
});

const LOG_WATCHED_MS = 60_000;
const MONTH_MS = 30 * 24 * 3_600_000;

/** The folder of a process' control group of memory, of version 1 or 2. */
async function memoryGroupOf(pid: number): Promise<string> {
  const groups = await readFile(`/proc/${pid}/cgroup`, 'utf8');
  const [, path = ''] = /^\d+:memory:(.*)$/m.exec(groups) ?? [];
  return join('/sys/fs/cgroup/memory', path);
}

/** The memory of a control group that the kernel cannot free: that of processes, and of files on a tmpfs. */
async function unreclaimableOf(group: string): Promise<number> {
  const stat = await readFile(join(group, 'memory.stat'), 'utf8');
  return ['total_rss', 'total_shmem'].reduce(
    (sum, name) => sum + Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0),
    0,
  );
}
