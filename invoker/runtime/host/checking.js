// Says what is wrong with a source, without running it.
import { SyntaxFailure } from "./kept.js";
import { CHECKER, compile, compileModule } from "./compiling.js";
import { require } from "./require.js";

// Resolves to the checker's problems.
export async function check(source, about) {
  const checker = await import(CHECKER);
  let refusal = null;
  try {
    compile(source);
  } catch (error) {
    refusal = error instanceof SyntaxFailure ? error.message : "The code is nested too deeply";
    const made = error instanceof SyntaxFailure ? checker.asScript(source) : null;
    if (made !== null) {
      refusal = made.error?.message ?? null;
      try {
        if (made.error === null) compileModule(made);
      } catch (failure) {
        refusal = failure.message;
      }
    }
  }
  return checker.check(source, refusal, (name) => {
    try {
      require(name);
      return true;
    } catch {
      return false;
    }
  }, about);
}
