// A unit whose image is a real one: runs a container with the environment and at the address that the local Tsuru gives it. Arguments are
// podman's. This file alone touches the process.
import { spawn } from 'node:child_process';

const { TSURU_LOCAL_ADDRESS: address = '', PORT = '8888', ...rest } = process.env;
/** Those of this machine: the image has its own. */
const OURS = /^(TSURU_LOCAL_.*|PATH|HOME|CONTAINERS_.*|BUILDAH_.*)$/;

/** A pod has a loopback of its own; here all share one, so each unit has an address of it. */
const environment = {
  ...Object.fromEntries(Object.entries(rest).filter(([name]) => !OURS.test(name))),
  PORT,
  AGENT_GATEWAY_ADDRESS: address,
  AGENT_LISTEN: `${address}:9091`,
  AGENT_PROMETHEUS_LISTEN: `${address}:9090`,
};
const separator = process.argv.indexOf('--');
const podman = spawn(
  'podman',
  [
    ...['run', '--rm'],
    ...Object.entries(environment).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
    ...process.argv.slice(2, separator),
    ...process.argv.slice(separator + 1),
  ],
  { stdio: ['ignore', 'inherit', 'inherit'] },
);
// podman hands signals on to the container.
for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => podman.kill(name));
podman.on('close', (code) => process.exit(code ?? 1));
