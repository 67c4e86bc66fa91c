import Registry from 'prom-client/lib/registry.js';
import { trust } from '../../agent/shared/authorities.ts';
import { systemClock } from '../../agent/shared/clock.ts';
import type { Environment } from '../../agent/shared/environment.ts';
import { createLog } from '../../agent/shared/log.ts';
import { createContext } from '../broker.ts';
import { readConfig, type Config } from '../config.ts';
import type { Context } from '../context.ts';
import { createMetrics } from '../metrics.ts';
import { UsageError } from './command.ts';

/** The broker's own configuration; a command runs where a broker would. */
export function configOf(environment: Environment): Config {
  const result = readConfig(environment);
  if (!result.ok) throw new UsageError(result.problems.join('\n'));
  trust(result.config.authorities);
  return result.config;
}

/** Does work with what a broker's operations work with. Only the command itself reports what happens. */
export async function withContext<T>(config: Config, work: (context: Context) => Promise<T>): Promise<T> {
  const connection = createContext(config, {
    ...{ log: createLog('silent', []), clock: systemClock },
    metrics: createMetrics(new Registry()),
    ending: new AbortController().signal,
  });
  try {
    return await work(connection.context);
  } finally {
    await connection.close();
  }
}
