const answer = async (request) => {
  await request.json();
  return Response.json({ type: "systemMessage", text: "Hello" });
};
Deno.serve({ hostname: "127.0.0.1", port: Number(Deno.args[0]), onListen() {} }, answer);
