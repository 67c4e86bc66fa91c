import { fileURLToPath } from 'node:url';
import { basicHeader, INSTANCE_REALM } from '../../../agent/shared/basic-auth.ts';
import { fingerprintOf } from '../../../agent/shared/fingerprint.ts';
import { startProgram } from '../../support/program.ts';
import { httpUnit } from '../../support/unit.ts';
import { metricsUnit } from '../../support/world.ts';
import type { Images, InProcess } from '../../tsuru/images.ts';

export const INSTANCE_IMAGE = 'ops/prometheus:1';
const INSTANCE = fileURLToPath(new URL('../../instance/main.ts', import.meta.url));

/** What a real agent reports when all is well, of what it was started with. */
const standIn: InProcess = (place) => {
  const { GATEWAY_USERNAME: username = '', GATEWAY_PASSWORD: password = '', TSURU_TOKEN: token = '' } = place.env;
  return httpUnit(() => (request, response) => {
    if (
      request.url?.startsWith('/tsuru/') === true &&
      request.headers.authorization !== basicHeader({ username, password })
    ) {
      response.writeHead(401, { 'www-authenticate': `Basic realm="${INSTANCE_REALM}"` }).end();
      return;
    }
    response.writeHead(request.method === 'POST' ? 202 : 200, { 'content-type': 'application/json' });
    const well = { ready: true, problems: [], sync: { inSync: true }, prometheus: { ready: true }, apps: [] };
    response.end(JSON.stringify({ ...well, token: fingerprintOf(token) }));
  })(place);
};

/** A real agent with its Prometheus. */
const real: InProcess = (place) => {
  const program = startProgram({
    command: process.execPath,
    args: [INSTANCE, 'AGENT_POLL_INTERVAL=2s'],
    env: { ...place.env, TSURU_LOCAL_PARENT: '' },
    onLine: place.log,
  });
  return Promise.resolve({
    async close() {
      await program.stop();
    },
  });
};

/** The apps of users answer /metrics; of the instances, these apps run real agents and all others stand-ins. */
export function serviceImages(realApps: ReadonlySet<string>): Images {
  return (name) =>
    name === INSTANCE_IMAGE
      ? {
          exposes: 8888,
          healthcheck: { path: '/-/ready' },
          processes: { web: (place) => (realApps.has(place.app) ? real : standIn)(place) },
        }
      : { processes: { web: metricsUnit } };
}
