import assert from 'node:assert/strict';
import { chmod, readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { load } from 'js-yaml';
import packageJson from '../../package.json' with { type: 'json' };
import { freeAddress } from '../support/address.ts';
import { temporaryFolder } from '../support/folder.ts';
import { viewPrometheus, type PrometheusView } from '../support/prometheus.ts';
import { NODE_ENVIRONMENT, NODE_FLAGS } from '../support/runtime.ts';
import { startService } from '../support/service.ts';
import { until } from '../support/until.ts';
import { metricsUnit } from '../support/world.ts';
import { createApp, createClient } from '../tsuru/client.ts';
import type { Images } from '../tsuru/images.ts';
import { startTsuru } from '../tsuru/server.ts';
import { asInPod, buildImages, type BuiltImages } from './images.ts';
import { agentEnvironment, childrenOf, createPods, type Pods } from './pods.ts';

const UNIT = fileURLToPath(new URL('unit.ts', import.meta.url));
/** The image that the broker of the tests deploys. */
const DEPLOYED = 'ops/prometheus:1';
const TEAM = 'shop';
/** The plan small of broker/plans.yaml. */
const MEMORY_BYTES = 1_000_000_000;
const VOLUME = '--tmpfs=/prometheus:rw,size=256000000,mode=1777,notmpcopyup';
/** The first build fetches npm and Debian packages; a container starts slowly on a busy machine. */
const BUILD_LIMIT_MS = 600_000;
const SLOW_LIMIT_MS = 180_000;
/** What runs here, so that nothing else is removed. */
const RUN = `image-test-${process.pid}`;

describe('the image', { timeout: BUILD_LIMIT_MS }, () => {
  let images: BuiltImages;
  let pods: Pods;
  before(
    async () => {
      images = await buildImages();
      pods = createPods(images, RUN, MEMORY_BYTES);
    },
    { timeout: BUILD_LIMIT_MS },
  );
  after(() => pods.removeAll());

  async function programOf(name: string): Promise<string> {
    return readFile(`/proc/${await pods.firstOf(name)}/comm`, 'utf8');
  }

  it('says what it is, has one port, no volume and the user of all pods', async () => {
    for (const [target, image] of [
      ['agent', images.agent],
      ['broker', images.broker],
    ] as const) {
      const { User, ExposedPorts, Volumes, WorkingDir, Labels, Env } = await pods.inspect(image);
      assert.equal(User, '1000');
      assert.deepEqual(Object.keys(ExposedPorts), ['8888/tcp']);
      assert.equal(Volumes ?? undefined, undefined);
      assert.equal(WorkingDir, '/app');
      assert.ok(Env.includes('HOME=/'));
      assert.equal(Labels['org.opencontainers.image.title'], `prometheus-${target}`);
      assert.equal(Labels['org.opencontainers.image.version'], packageJson.version);
    }
    const dockerfile = await readFile(new URL('../../image/Dockerfile', import.meta.url), 'utf8');
    assert.match(dockerfile, new RegExp(`^ARG VERSION=${packageJson.version}$`, 'm'));
  });

  it('starts Node for the agent as it is measured, below tini', async () => {
    const { Entrypoint, Env } = await pods.inspect(images.agent);
    assert.deepEqual(Entrypoint, ['tini', '-e', '143', '--', 'node', ...NODE_FLAGS, '/app/agent/main.js']);
    for (const [name, value] of Object.entries(NODE_ENVIRONMENT)) assert.ok(Env.includes(`${name}=${value}`), name);
  });

  it('has Node 24, the chosen Prometheus, and what Tsuru and Kubernetes call, for a login shell that resets PATH', async () => {
    const lines = (
      await pods.output(images.agent, [
        'sh',
        '-c',
        'id -u; id -g; echo $HOME; node --version; prometheus --version 2>&1 | head -n 1; for p in promtool tini sh sleep env; do command -v $p; done; ls /etc/ssl/certs/ca-certificates.crt',
      ])
    ).split('\n');
    assert.deepEqual(lines.slice(0, 3), ['1000', '1000', '/']);
    assert.match(lines[3] ?? '', /^v24\./);
    assert.ok(`v${/version (\d+\.\d+\.\d+)/.exec(lines[4] ?? '')?.[1]}` === images.prometheusTag, lines[4]);
    assert.equal(lines.length, 11);
  });

  it('has the licences of Prometheus, of tini, of each npm package and its own', async () => {
    const folder = '/usr/share/doc';
    const text = await pods.output(images.agent, [
      'cat',
      `${folder}/prometheus/LICENSE`,
      `${folder}/prometheus/NOTICE`,
      `${folder}/tini/copyright`,
      `${folder}/prometheus-as-a-service/LICENSE`,
      `${folder}/prometheus-as-a-service/npm-packages`,
    ]);
    assert.match(text, /Apache License\s+Version 2\.0/);
    assert.match(text, /The Prometheus Authors/);
    for (const [name, version] of Object.entries(packageJson.dependencies)) {
      assert.ok(text.includes(`${name} ${version}: `), name);
    }
    const packages = (await pods.output(images.agent, ['ls', '/app/node_modules'])).split('\n');
    for (const name of Object.keys(packageJson.devDependencies)) assert.ok(!packages.includes(name), name);
  });

  it('has the checks of tsuru.yaml in its working directory, and no processes, which would void them', async () => {
    const checks = load(await pods.output(images.agent, ['cat', '/app/tsuru.yaml']));
    assert.deepEqual(checks, {
      healthcheck: {
        ...{ path: '/-/ready', interval_seconds: 3, timeout_seconds: 2, allowed_failures: 3 },
        deploy_timeout_seconds: 580,
      },
      startupcheck: { path: '/-/ready', interval_seconds: 5, timeout_seconds: 2, allowed_failures: 110 },
    });
  });

  it('ends with exit code 0 when it is stopped at any moment of its start', async () => {
    for (const [index, waitFor] of [undefined, 'Prometheus is started', 'Prometheus is ready'].entries()) {
      const address = freeAddress();
      const name = `stopped-${index}`;
      const agent = await pods.start(images.agent, name, agentEnvironment(address), [VOLUME]);
      // Before, the login shell is process 1, for which the kernel drops a SIGTERM.
      await until('tini', async () => (await programOf(name)).startsWith('tini'));
      if (waitFor !== undefined)
        await until(waitFor, () => agent.lines.some((line) => line.includes(waitFor)), SLOW_LIMIT_MS);
      await images.podman('stop', pods.nameOf(name));
      assert.equal(await agent.end, 0, agent.lines.join('\n'));
    }
  });

  it('reaps the orphans of a shell in the container, and warns of nothing', async () => {
    const name = 'orphans';
    const address = freeAddress();
    const agent = await pods.start(images.agent, name, agentEnvironment(address), [VOLUME]);
    await until('the agent', async () => (await fetch(`http://${address}:9091/healthz`)).ok, SLOW_LIMIT_MS);
    assert.match(await programOf(name), /^tini/);
    const first = await pods.firstOf(name);
    const [node] = await childrenOf(first);
    // As `tsuru app shell` does that leaves something behind.
    await images.podman('exec', pods.nameOf(name), 'sh', '-c', 'sleep 2 >/dev/null 2>&1 &');
    const orphan = await until('the orphan', async () => (await childrenOf(first)).find((pid) => pid !== node));
    await until('it to be reaped', async () => !(await childrenOf(first)).includes(orphan));
    assert.ok(agent.lines.every((line) => !line.includes('process 1')));
    await images.podman('stop', pods.nameOf(name));
    assert.equal(await agent.end, 0);
  });

  it('ends at once, with what to do, when its disk belongs to root', async () => {
    await using folder = await temporaryFolder();
    await chmod(folder.path, 0o755);
    const disk = `--volume=${folder.path}:/prometheus`;
    const agent = await pods.start(images.agent, 'closed', agentEnvironment(freeAddress()), [disk]);
    assert.equal(await agent.end, 1);
    const sentence =
      '/prometheus/agent cannot be written by user 1000: /prometheus belongs to user 0 with mode 0755. ' +
      'Choose a plan whose storage is tmpfs, or a disk that user 1000 may write.';
    assert.deepEqual(agent.lines, [sentence]);
  });

  it('of the broker answers, with its plans judged, and ends in order', async () => {
    const address = freeAddress();
    const broker = await pods.start(images.broker, 'broker', {
      ...{ TSURU_HOST: 'http://127.0.0.1:1', TSURU_TOKEN: 'secret', BROKER_IMAGE: DEPLOYED, PORT: '8888' },
      ...{ BROKER_USERNAME: 'tsuru', BROKER_PASSWORD: 'the-service-manifest-knows-it', BROKER_ADDRESS: address },
    });
    await until('the broker', async () => (await fetch(`http://${address}:8888/healthz`)).ok, SLOW_LIMIT_MS);
    assert.match(await images.podman('exec', pods.nameOf('broker'), 'promtool', '--version'), /promtool, version/);
    const check = await images.podman('exec', pods.nameOf('broker'), 'broker', 'check', '--help');
    assert.match(check, /^Usage: broker check \[OPTIONS\]\n/);
    await images.podman('stop', pods.nameOf('broker'));
    assert.equal(await broker.end, 0, broker.lines.join('\n'));
  });

  it('is an instance: added, bound, every unit scraped, its settings followed, unbound', async () => {
    await using stack = new AsyncDisposableStack();
    const { Entrypoint } = await pods.inspect(images.agent);
    const { options, args } = asInPod(Entrypoint, MEMORY_BYTES);
    // Its volume is the container's own, not one that the local Tsuru mounts for this process.
    const argv = [
      ...['nsenter', `--target=${process.pid}`, '--mount', '--root', '--', 'env'],
      ...Object.entries(images.environment).map(([name, value]) => `${name}=${value}`),
      ...[process.execPath, UNIT, pods.label, VOLUME, ...options, '--', images.agent, ...args],
    ] as [string, ...string[]];
    const all: Images = (name) =>
      name === DEPLOYED
        ? { exposes: 8888, healthcheck: { path: '/-/ready' }, processes: { web: { argv } } }
        : { processes: { web: metricsUnit } };
    const tsuru = await startTsuru({ images: all });
    stack.defer(() => tsuru.close());
    const service = await startService(stack, tsuru);
    await createApp(createClient(tsuru.url, tsuru.adminToken), 'my-app', 'shop/app:1', 3);

    await service.add('my-instance', TEAM, { scrape_interval: '10s' });
    await service.untilUp('my-instance');
    await service.bind('my-instance', 'my-app');
    const prometheus = prometheusOf(await service.info('my-instance'));
    await prometheus.untilTargets('3 of 3 up', (now) => isAllUp(now, 3), SLOW_LIMIT_MS);

    await service.update('my-instance', TEAM, { scrape_interval: '20s' });
    await prometheus.untilTargets('the new interval', (now) => now.every((t) => t.interval === '20s'), SLOW_LIMIT_MS);
    await service.unbind('my-instance', 'my-app');
    await prometheus.untilTargets('no target', (now) => now.length === 0, SLOW_LIMIT_MS);
    await service.remove('my-instance');
  });
});

function isAllUp(targets: readonly { readonly health: string }[], count: number): boolean {
  return targets.length === count && targets.every(({ health }) => health === 'up');
}

function prometheusOf(info: Readonly<Record<string, string>>): PrometheusView {
  const [user = '', password = ''] = (info['User and Password'] ?? '').split(' / ');
  return viewPrometheus(info['Address'] ?? '', { user, password });
}
