import { TsuruError } from '../../agent/shared/tsuru.ts';
import type { Clock } from '../../agent/shared/clock.ts';
import { BrokerError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import type { Api } from './api.ts';
import { retryLocked } from './locked.ts';
import type { Turns } from './turns.ts';

/** Lets an instance's token read one app. */
export const READER = 'prometheus-reader';
export const READER_DESCRIPTION = "Read one app's units: granted to the tokens of Prometheus instances";
export const READER_PERMISSION = 'app.read.info';
/** A grant is lost when another role of the same token is changed in the same moment, which is rare. */
const MOST_ATTEMPTS = 5;

/**
 * What an instance may read. Tsuru locks the whole role for each change, and rewrites the whole token, so that two at once can lose
 * one: they are made one after the other, retried while another change has the lock, and read back.
 */
export interface Grants {
  grant(api: Api, token: string, app: string, signal: AbortSignal): Promise<void>;
  /** Fulfilled, too, when there is nothing to take back. */
  revoke(api: Api, token: string, app: string, signal: AbortSignal): Promise<void>;
}

export interface GrantsOptions {
  readonly turns: Turns;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

export function createGrants({ turns, clock, metrics }: GrantsOptions): Grants {
  async function change(
    token: string,
    signal: AbortSignal,
    once: () => Promise<void>,
    isDone: () => Promise<boolean>,
  ): Promise<void> {
    metrics.grantWaits(1);
    try {
      await turns.take([`role:${READER}`, tokenTurn(token)], signal, async () => {
        for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
          await retryLocked(once, { clock, signal, onRetry: metrics.grantRetried });
          if (await isDone()) return;
          metrics.grantRetried();
        }
        throw new BrokerError(503, 'Tsuru loses what is granted: try again.');
      });
    } finally {
      metrics.grantWaits(-1);
    }
  }

  return {
    grant: (api, token, app, signal) =>
      change(
        token,
        signal,
        () => grantOnce(api, token, app),
        async () => (await rolesOn(api, token, app)) > 0,
      ),
    revoke: (api, token, app, signal) =>
      change(
        token,
        signal,
        () => revokeOnce(api, token, app),
        async () => (await rolesOn(api, token, app)) === 0,
      ),
  };
}

/** Whoever changes a token takes this turn. */
export function tokenTurn(token: string): string {
  return `token:${token}`;
}

async function grantOnce(api: Api, token: string, app: string): Promise<void> {
  try {
    await api.grant(READER, token, app);
  } catch (error) {
    if (!isAbout(error, /role not found/i)) throw error;
    await createReader(api);
    await api.grant(READER, token, app);
  }
}

async function createReader(api: Api): Promise<void> {
  try {
    await api.createRole(READER, READER_DESCRIPTION, READER_PERMISSION);
  } catch (error) {
    if (!(error instanceof TsuruError) || error.failure !== 'forbidden') throw error;
    throw new BrokerError(
      500,
      `The role ${READER} is not there, and the service may not create it: an administrator has to run ` +
        `"tsuru role-add ${READER} app" and "tsuru role-permission-add ${READER} ${READER_PERMISSION}".`,
      error,
    );
  }
}

/** A token or a role that is gone has nothing granted. Whether there is such an app makes no difference. */
async function revokeOnce(api: Api, token: string, app: string): Promise<void> {
  try {
    await api.revoke(READER, token, app);
  } catch (error) {
    if (!(error instanceof TsuruError) || error.failure !== 'not_found') throw error;
  }
}

async function rolesOn(api: Api, token: string, app: string): Promise<number> {
  const { roles } = (await api.token(token)) ?? { roles: [] };
  return roles.filter(({ name, context }) => name === READER && context === app).length;
}

function isAbout(error: unknown, words: RegExp): error is TsuruError {
  return error instanceof TsuruError && words.test(error.words);
}
