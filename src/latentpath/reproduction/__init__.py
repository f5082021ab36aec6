"""The paper's figures and claims, made and tested anew from the shipped models."""
