/** Whoever reaches a port may guess, and a right guess is answered at once: only length makes guessing hopeless. */
const SHORTEST_PASSWORD = 16;

export const PASSWORD_EXPECTED = `at least ${SHORTEST_PASSWORD} characters in one line`;

const PASSWORD = new RegExp(`^\\P{Cc}{${SHORTEST_PASSWORD},}$`, 'u');

/** The password, or undefined when it is too short or has control characters. */
export function parsePassword(value: string): string | undefined {
  return PASSWORD.test(value) ? value : undefined;
}
