import { randomBytes } from 'node:crypto';
import { AUTHORITIES, MANAGED_BY, PASSWORD_BYTES, USERNAME, VARIABLES, type Operation } from './instance.ts';

/**
 * Sets the variables that an instance needs and lacks, without a restart: a password that is there stays. Returns whether anything was changed.
 * @param token Undefined where the broker may not see it: then the variable stays as it is.
 * @param present What the app has.
 */
export async function ensureVariables(
  { api, context, names, locked }: Operation,
  token: string | undefined,
  present: ReadonlyMap<string, string> | undefined,
): Promise<boolean> {
  const wanted = {
    ...(token === undefined ? {} : { [VARIABLES.token]: token }),
    [VARIABLES.username]: present?.get(VARIABLES.username) ?? USERNAME,
    [VARIABLES.password]: present?.get(VARIABLES.password) ?? randomBytes(PASSWORD_BYTES).toString('base64url'),
    ...(context.authorities === '' ? {} : { [AUTHORITIES]: context.authorities }),
  };
  if (Object.entries(wanted).every(([name, value]) => present?.get(name) === value)) return false;
  await locked(() => api.setEnv(names.part, wanted, MANAGED_BY));
  return true;
}
