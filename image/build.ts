// npm run image: builds both images with the builder that this machine has. Arguments go on to it:
//   npm run image -- --build-arg PROMETHEUS_TAG=v3.14.0
// IMAGE_BUILDER names the builder to take: docker, podman or buildah.
// This file alone touches the process.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import packageJson from '../package.json' with { type: 'json' };

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The time of all files and of the images, in seconds since 1970: the same for every build, so that what is the same has the same layers. */
const SOURCE_DATE_EPOCH = process.env['SOURCE_DATE_EPOCH'] ?? '0';

interface Builder {
  readonly name: string;
  /** Succeeds where it can build: a docker without its engine cannot. */
  readonly probe: readonly string[];
  readonly build: readonly string[];
}

const BUILDERS: readonly Builder[] = [
  { name: 'docker', probe: ['version'], build: ['build'] },
  { name: 'podman', probe: ['version'], build: ['build', `--timestamp=${SOURCE_DATE_EPOCH}`, '--format=docker'] },
  {
    name: 'buildah',
    probe: ['version'],
    build: ['bud', '--layers', `--timestamp=${SOURCE_DATE_EPOCH}`, '--format=docker'],
  },
];

const wanted = process.env['IMAGE_BUILDER'];
const builder = BUILDERS.filter(({ name }) => name === (wanted ?? name)).find(
  ({ name, probe }) => spawnSync(name, probe, { stdio: 'ignore' }).status === 0,
);
if (builder === undefined) {
  console.error('Nothing here can build an image: install docker, podman or buildah (Debian: apt-get install podman).');
  process.exit(1);
}

const { status, stdout } = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: ROOT, encoding: 'utf8' });
const values = {
  VERSION: packageJson.version,
  REVISION: status === 0 ? stdout.trim() : 'unknown',
  SOURCE_DATE_EPOCH,
};
for (const target of ['agent', 'broker']) {
  const image = `prometheus-${target}:${packageJson.version}`;
  const args = [
    ...builder.build,
    ...Object.entries(values).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
    ...['--target', target, '--tag', image, '--file', 'image/Dockerfile'],
    ...process.argv.slice(2),
    '.',
  ];
  const built = spawnSync(builder.name, args, { cwd: ROOT, stdio: 'inherit' });
  if (built.status !== 0) {
    console.error(`${builder.name} could not build ${image}: see its words above.`);
    process.exit(1);
  }
  console.log(`built ${image}`);
}
