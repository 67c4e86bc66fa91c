import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { GATEWAY } from '../support/agent.ts';
import { startProgram, type Program } from '../support/program.ts';
import { asInPod, type BuiltImages } from './images.ts';

export interface Inspected {
  readonly Entrypoint: readonly string[];
  readonly Env: readonly string[];
  readonly User: string;
  readonly ExposedPorts: object;
  readonly Volumes?: object | null;
  readonly WorkingDir: string;
  readonly Labels: Readonly<Record<string, string>>;
}

/** Containers as Tsuru starts them, of one run of tests. */
export interface Pods {
  readonly images: BuiltImages;
  /** On each container, so that nothing else is removed. */
  readonly label: string;
  inspect(image: string): Promise<Inspected>;
  /** What a command prints in a container of its own. */
  output(image: string, command: readonly string[]): Promise<string>;
  /** Starts an image's own program in a container, with this environment and more of podman's options. */
  start(
    image: string,
    name: string,
    environment: Readonly<Record<string, string>>,
    more?: readonly string[],
  ): Promise<Program>;
  /** Podman's name of a container that was started. */
  nameOf(name: string): string;
  /** The number here of a container's process 1. */
  firstOf(name: string): Promise<number>;
  removeAll(): Promise<void>;
}

export function createPods(images: BuiltImages, run: string, memoryBytes: number): Pods {
  const label = `--label=run=${run}`;
  const nameOf = (name: string): string => `${run}-${name}`;
  const pods: Pods = {
    images,
    label,
    nameOf,
    async inspect(image) {
      const [found] = JSON.parse(await images.podman('image', 'inspect', image)) as readonly { Config: Inspected }[];
      assert.ok(found);
      return found.Config;
    },
    output(image, command) {
      const { options, args } = asInPod(command, memoryBytes);
      return images.podman('run', '--rm', label, ...options, image, ...args);
    },
    async start(image, name, environment, more = []) {
      const { options, args } = asInPod((await pods.inspect(image)).Entrypoint, memoryBytes);
      const variables = Object.entries(environment).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
      const rest = [...options, ...variables, ...more, image, ...args];
      return startProgram({
        command: 'podman',
        args: ['run', '--rm', `--name=${nameOf(name)}`, label, ...rest],
        env: images.environment,
      });
    },
    firstOf: async (name) =>
      Number(await images.podman('container', 'inspect', nameOf(name), '--format', '{{.State.Pid}}')),
    async removeAll() {
      const left = await images.podman('ps', '--all', '--quiet', `--filter=label=run=${run}`);
      for (const id of left.split('\n').filter(Boolean)) await images.podman('rm', '--force', '--time=0', id);
    },
  };
  return pods;
}

/** Of an agent whose pod has this address for all that it listens on; without more, its Tsuru is away. */
export function agentEnvironment(address: string): Readonly<Record<string, string>> {
  return {
    ...GATEWAY,
    ...{ TSURU_HOST: 'http://127.0.0.1:1', TSURU_TOKEN: 'secret', PORT: '8888' },
    ...{ AGENT_GATEWAY_ADDRESS: address, AGENT_LISTEN: `${address}:9091` },
    AGENT_PROMETHEUS_LISTEN: `${address}:9090`,
  };
}

/** The numbers here of a process' children. */
export async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.trim().split(' ').filter(Boolean).map(Number);
}
