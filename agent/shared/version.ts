import packageJson from '../../package.json' with { type: 'json' };

/** This project's version, as in package.json. */
export const VERSION: string = packageJson.version;

/** What both programs call themselves towards Tsuru. */
export const USER_AGENT = `prometheus-as-a-service/${VERSION}`;
