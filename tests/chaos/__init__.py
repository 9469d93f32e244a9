"""The real processes under steady load, and harm every few seconds: is anything lost or doubled?"""
