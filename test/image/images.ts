import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BASE_IMAGES = fileURLToPath(new URL('base-images.sh', import.meta.url));
/** Beside the packages, as other tools' caches: `npm ci` removes it. Another Node needs other base images. */
const STORE = join(ROOT, 'node_modules', '.cache', `image-${process.version}`);
/** npm and Debian's packages are fetched the first time. */
const BUILD_LIMIT_MS = 600_000;
const LONGEST_OUTPUT_BYTES = 64 * 1024 ** 2;

/** Both images, built from the Dockerfile as it is, and a podman that knows them. */
export interface BuiltImages {
  readonly agent: string;
  readonly broker: string;
  /** The tag of prom/prometheus that they were built from. */
  readonly prometheusTag: string;
  /** For whatever runs podman. */
  readonly environment: Readonly<Record<string, string>>;
  podman(...args: readonly string[]): Promise<string>;
}

/** @throws where they cannot be built, with what to do. */
function assertTools(): void {
  const programs = ['buildah', 'podman', 'runc', 'mmdebstrap'];
  const folders = (process.env['PATH'] ?? '').split(':');
  const missing = programs.filter((program) => !folders.some((folder) => existsSync(join(folder, program))));
  if (process.getuid?.() !== 0) throw new Error('run it as root, which builds and runs the images here');
  if (missing.length > 0) throw new Error(`run "npm run test:image", which installs ${missing.join(', ')}`);
}

/** Builds what has changed since the last time. */
export async function buildImages(): Promise<BuiltImages> {
  assertTools();
  const options = { timeout: BUILD_LIMIT_MS, maxBuffer: LONGEST_OUTPUT_BYTES };
  const based = await run('bash', [BASE_IMAGES, STORE], {
    ...options,
    env: { ...process.env, NODE_BINARY: process.execPath },
  });
  const prometheusTag = based.stdout.trim().split('\n').at(-1) ?? '';
  const environment = {
    PATH: process.env['PATH'] ?? '',
    CONTAINERS_STORAGE_CONF: join(STORE, 'storage.conf'),
    CONTAINERS_CONF: join(STORE, 'containers.conf'),
    BUILDAH_ISOLATION: 'chroot',
  };
  const here = ['--isolation=chroot', '--network=host', '--pull=never', `--build-arg=PROMETHEUS_TAG=${prometheusTag}`];
  await run(process.execPath, [join(ROOT, 'image', 'build.ts'), ...here], {
    ...options,
    env: { ...process.env, ...environment, IMAGE_BUILDER: 'podman' },
  });
  return {
    agent: `localhost/prometheus-agent:${packageJson.version}`,
    broker: `localhost/prometheus-broker:${packageJson.version}`,
    prometheusTag,
    environment,
    podman: async (...args) => (await run('podman', [...args], { ...options, env: environment })).stdout.trim(),
  };
}

/** The first word of what an image's process is started with, and the rest, as podman's options and arguments. */
export interface PodCommand {
  readonly options: readonly string[];
  readonly args: readonly string[];
}

/**
 * Starts an image's program as Tsuru and Kubernetes do: as user 1000, by a login shell, with nothing to write to but its volume, and with no
 * capability. The network is this machine's, as a network of its own needs more than root may do here.
 */
export function asInPod(program: readonly string[], memoryBytes: number): PodCommand {
  return {
    options: [
      ...[
        '--user=1000',
        '--read-only',
        '--read-only-tmpfs=false',
        '--cap-drop=all',
        '--security-opt=no-new-privileges',
      ],
      ...[
        '--network=host',
        `--memory=${memoryBytes}`,
        '--stop-timeout=30',
        '--log-driver=none',
        '--entrypoint=/bin/sh',
      ],
    ],
    args: ['-lc', 'exec "$@"', 'sh', ...program],
  };
}
