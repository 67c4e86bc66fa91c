// What the image of an instance does in its container, on this machine: runs the agent with the addresses and folders of its unit, which a
// local Tsuru reports in TSURU_LOCAL_... . Arguments (NAME=VALUE) are more of its environment. This file alone touches the process.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const AGENT = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));
/** Where the broker mounts an instance's volume. */
const MOUNT_POINT = '/prometheus';

const { TSURU_LOCAL_ADDRESS: address, TSURU_LOCAL_PORT: port, TSURU_LOCAL_VOLUMES: volumes, ...rest } = process.env;
if (address === undefined || port === undefined) {
  console.error('This is for a local Tsuru to start: npm run local-tsuru.');
  process.exit(2);
}
const mounted = JSON.parse(volumes ?? '{}') as Readonly<Record<string, string>>;
const folder = mounted[MOUNT_POINT] ?? MOUNT_POINT;

/** Each unit has an address of its own, as each pod has a loopback of its own. */
const agent = spawn(process.execPath, [AGENT], {
  stdio: ['ignore', 'inherit', 'inherit'],
  env: {
    AGENT_LISTEN: `${address}:9091`,
    AGENT_PROMETHEUS_LISTEN: `${address}:9090`,
    ...rest,
    ...Object.fromEntries(process.argv.slice(2).map((word) => word.split('=', 2) as [string, string])),
    PORT: port,
    AGENT_GATEWAY_ADDRESS: address,
    AGENT_DATA_DIR: join(folder, 'agent'),
    AGENT_STORAGE_DIR: join(folder, 'data'),
  },
});
const stop = (): void => {
  agent.kill('SIGTERM');
};
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
// The local Tsuru has ended, in whatever way.
if (rest['TSURU_LOCAL_PARENT'] === 'stdin') process.stdin.on('end', stop).resume();
agent.on('close', (code) => process.exit(code ?? 1));
