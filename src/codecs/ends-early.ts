/** What a decoder says that has too little. */
export class EndsEarlyError extends Error {}
